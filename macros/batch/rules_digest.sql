{#- A digest of all that decides how a row is read besides the row: this package's models and the consumer's input
    models, vars, the columns of the inputs, the outcome mapping. A build that finds another digest than the last one
    reads everything again, so that nobody has to remember --full-refresh. -#}
{% macro rules_digest() -%}
    {%- set mapping = ref('stg_voice_ai__outcome_mapping') -%}
    {%- set inputs = [ref('input_voice_ai__sessions'), ref('input_voice_ai__turns'), ref('input_voice_ai__users')] -%}
    {%- if not execute or not load_relation(mapping) -%} {{ return('') }} {%- endif -%}
    {%- set rules = [
        var('voice_ai_user_attributes', []),
        var('voice_ai_engaged_min_user_turns', 1),
        var('voice_ai_low_asr_confidence', 0.5),
        var('voice_ai_keep_transcripts', false),
        run_query(
            "select " ~ voice_ai_analytics.id_hash_version() ~ " || md5(coalesce(string_agg("
            ~ "platform || ':' || outcome_code || ':' || outcome, ',' order by platform, outcome_code), '')) as digest from "
            ~ mapping
        ).rows[0]['digest']
    ] -%}
    {%- for relation in inputs -%}
        {%- do rules.append(voice_ai_analytics.input_columns(relation)) -%}
    {%- endfor -%}
    {%- for node in graph.nodes.values() | sort(attribute='unique_id')
        if node.resource_type == 'model' and 'voice_ai__' in node.name -%}
        {%- do rules.append(node.raw_code) -%}
    {%- endfor -%}
    {{ return(local_md5(tojson(rules))) }}
{%- endmacro %}
