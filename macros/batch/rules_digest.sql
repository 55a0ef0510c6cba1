{#- Digest of everything besides the row itself that decides how a row is read: this package's version, macros, models
    and seeds; the consumer's input models, vars and outcome mapping; and the columns of the inputs. A build whose
    digest differs from the last one's reads everything again, so no one has to remember --full-refresh. -#}
{% macro rules_digest() -%}
    {%- set mapping = ref('stg_voice_ai__outcome_mapping') -%}
    {%- set inputs = [ref('input_voice_ai__sessions'), ref('input_voice_ai__turns'), ref('input_voice_ai__users')] -%}
    {%- if not execute or not load_relation(mapping) -%} {{ return('') }} {%- endif -%}
    {%- set rules = [voice_ai_analytics.package_digest()] -%}
    {%- for name, default in voice_ai_analytics.vars_that_decide_rows().items() -%}
        {%- do rules.append(var(name, default)) -%}
    {%- endfor -%}
    {%- do rules.append(run_query(
        "select md5(coalesce(string_agg("
        ~ "platform || ':' || outcome_code || ':' || outcome, ',' order by platform, outcome_code), '')) as digest from "
        ~ mapping
    ).rows[0]['digest']) -%}
    {%- for relation in inputs -%}
        {%- do rules.append(voice_ai_analytics.input_columns(relation)) -%}
    {%- endfor -%}
    {%- for node in graph.nodes.values() | sort(attribute='unique_id')
        if node.resource_type in ('model', 'seed')
        and (node.package_name == 'voice_ai_analytics' or 'voice_ai__' in node.name) -%}
        {%- do rules.append(node.checksum.checksum) -%}
    {%- endfor -%}
    {{ return(local_md5(tojson(rules))) }}
{%- endmacro %}
