{#- On-run-start hook. Stops with one sentence if a setting of the host project has reached a node whose setting the
    package's promises rest on. -#}
{% macro refuse_unsafe_configuration() -%}
    {%- if not execute -%} {{ return('') }} {%- endif -%}
    {%- set nodes = {} -%}
    {%- for node in graph.nodes.values() if node.package_name == 'voice_ai_analytics' -%}
        {%- do nodes.update({node.name: node}) -%}
    {%- endfor -%}
    {%- set own = "your own project's name, " ~ project_name ~ ", instead" -%}

    {%- for setting, names_by_value in voice_ai_analytics.configuration_to_keep().items() -%}
        {%- for value, names in names_by_value.items() -%}
            {%- for name in names if name in nodes and nodes[name].config.get(setting) != value -%}
                {%- do exceptions.raise_compiler_error(
                    '+' ~ setting ~ ': ' ~ nodes[name].config.get(setting) ~ ' in your project reaches ' ~ name
                    ~ ' of voice_ai_analytics, which needs ' ~ value ~ '; set it under ' ~ own
                ) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}

    {%- for node in nodes.values() if node.resource_type == 'test' -%}
        {%- set may_warn = "severity='warn'" in node.raw_code
            or modules.re.match('voice_ai_(languages_are_tags|no_.*_is_quarantined|input_.*_are_unique)$', node.name) -%}
        {%- set is_softened = not may_warn and node.config.severity | lower != 'error' -%}
        {%- if is_softened or node.config.limit or node.config.where not in [none, 'version_number = 1'] -%}
            {%- do exceptions.raise_compiler_error(
                'A +severity, +where or +limit of data tests in your project reaches ' ~ node.name
                ~ ' of voice_ai_analytics, which then lets bad rows pass; set it under ' ~ own
            ) -%}
        {%- endif -%}
    {%- endfor -%}

    {%- set fact, salt, typed = nodes['fact_voice_ai_sessions'], nodes['stg_voice_ai__salt'], nodes['stg_voice_ai__users_typed'] -%}
    {%- for node, holds in [(salt, 'the salt of all pseudonyms'), (typed, 'raw user ids')]
        if fact and node and node.schema == fact.schema and node.database == fact.database -%}
        {%- do exceptions.raise_compiler_error(
            'A +schema or generate_schema_name in your project puts ' ~ holds ~ ' (' ~ node.name ~ ') into the schema of the'
            ~ ' certified tables, ' ~ fact.schema ~ '; let generate_schema_name keep custom_schema_name apart where'
            ~ " node.package_name is 'voice_ai_analytics'"
        ) -%}
    {%- endfor -%}
{%- endmacro %}
