// What `lightdash deploy` and `lightdash upload` do, without a Lightdash server: compile the manifest, check
// charts and dashboards against their schemas, and run each tile's query under each choice of filters.
// Reads a JSON job from standard input and writes JSON to the file it names, because Lightdash prints to standard output.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const lightdash = require('@lightdash/common');
const { PostgresWarehouseClient } = require('@lightdash/warehouses');
const Ajv = require('ajv').default;
const addFormats = require('ajv-formats').default;
const { parse } = require('yaml');

const job = JSON.parse(readFileSync(0, 'utf8'));
const client = new PostgresWarehouseClient({ type: 'postgres', sslmode: 'disable', ...job.credentials });

const manifest = JSON.parse(readFileSync(job.manifest, 'utf8'));
const { explores, invalidModels } = await compile();
const charts = content('charts', lightdash.chartAsCodeSchema);
const dashboards = content('dashboards', lightdash.dashboardAsCodeSchema);
const answers = [];
for (const dashboard of Object.values(dashboards)) {
    for (const tile of dashboard.document.tiles.filter(({ type }) => type === 'saved_chart')) {
        for (const [choice, values] of Object.entries(job.choices)) {
            answers.push(await answer(dashboard.document, tile, choice, values));
        }
    }
}
const queries = [];
for (const query of job.queries ?? []) {
    queries.push((await client.runQuery(queryOf(explores[query.exploreName], query), {}, 'UTC')).rows);
}
const written = {
    metrics: Object.values(manifest.metrics),
    explores: Object.values(explores),
    invalidModels,
    charts,
    dashboards,
    answers,
    queries,
};
const plain = (_, value) => (typeof value === 'bigint' ? Number(value) : value);
writeFileSync(job.output, JSON.stringify(written, plain));
process.exit(); // the client would keep its connections open for a while

// The steps of Lightdash's command line, in order.
async function compile() {
    const models = lightdash.getCompiledModels(lightdash.getModelsFromManifest(manifest));
    const validator = new lightdash.ManifestValidator(lightdash.getDbtManifestVersion(manifest));
    const invalid = models.map((model) => validator.isModelValid(model)[1]).filter(Boolean);
    const catalog = await client.getCatalog(lightdash.getSchemaStructureFromDbtModels(models));
    const translated = lightdash.translateMetricFlowMetrics({
        semanticModels: manifest.semantic_models,
        metrics: manifest.metrics,
        modelNamesByUniqueId: Object.fromEntries(models.map((model) => [model.unique_id, model.name])),
    });
    const withMetrics = lightdash.attachTypesToModels(models, catalog, false).map((model) => ({
        ...model,
        meta: { ...model.meta, metrics: { ...translated.metricsByModel[model.name], ...model.meta.metrics } },
    }));
    const compiled = await lightdash.convertExplores(
        withMetrics,
        false,
        manifest.metadata.adapter_type,
        client,
        { spotlight: lightdash.DEFAULT_SPOTLIGHT_CONFIG },
        { allowPartialCompilation: true },
    );
    return {
        invalidModels: invalid,
        explores: Object.fromEntries(compiled.map((explore) => [explore.name, explore])),
    };
}

function content(directory, schema) {
    const ajv = new Ajv({ allErrors: true, strict: false, discriminator: true });
    addFormats(ajv);
    const isValid = ajv.compile(schema);
    return Object.fromEntries(
        readdirSync(join(job.content, directory)).map((file) => {
            const document = parse(readFileSync(join(job.content, directory, file), 'utf8'));
            return [document.slug, { file, document, errors: isValid(document) ? [] : isValid.errors }];
        }),
    );
}

async function answer(dashboard, tile, choice, values) {
    const chart = charts[tile.properties.chartSlug].document;
    const explore = explores[chart.tableName];
    const rules = dashboard.filters.dimensions.map((rule, index) => ({
        ...rule,
        id: `${index}`,
        ...(rule.label in values ? { ...values[rule.label], disabled: false } : {}),
    }));
    const { metricQuery } = lightdash.applyDashboardFiltersForTile({
        tileUuid: tile.tileSlug,
        metricQuery: chart.metricQuery,
        dashboardFilters: { dimensions: rules, metrics: [], tableCalculations: [] },
        explore,
    });
    const sql = queryOf(explore, metricQuery);
    const { rows } = await client.runQuery(sql, {}, 'UTC');
    return { dashboard: dashboard.slug, chart: chart.slug, choice, sql, rows, filters: metricQuery.filters };
}

// Lightdash's server, which builds the whole statement, isn't on npm. The expressions, joins and conditions below come
// from its compiler; the statement around them has the server's shape: aggregate, then filter by metrics.
function queryOf(explore, metricQuery) {
    const quote = client.getFieldQuoteChar();
    const dimensions = lightdash.getDimensionMapFromTables(explore.tables);
    const metrics = lightdash.getMetricsMapFromTables(explore.tables);
    const rulesOf = (kind) => lightdash.getFilterRulesFromGroup(metricQuery.filters[kind]);
    const condition = (rule, field) =>
        lightdash.renderFilterRuleSqlFromField(
            rule,
            field,
            quote,
            client.getStringQuoteChar(),
            (value) => client.escapeString(value),
            client.getStartOfWeek(),
            client.getAdapterType(),
            'UTC',
        );
    const metricIds = new Set([...metricQuery.metrics, ...rulesOf('metrics').map((rule) => rule.target.fieldId)]);
    // As on the server, a metric's inputs are columns too. Iterating over a Set also visits what is added meanwhile.
    for (const id of metricIds) {
        for (const { refTable, refName } of lightdash.parseAllReferences(metrics[id].sql, metrics[id].table)) {
            const input = `${refTable}_${refName}`;
            if (input in metrics) metricIds.add(input);
        }
    }
    const used = [
        ...metricQuery.dimensions.map((id) => dimensions[id]),
        ...[...metricIds].map((id) => metrics[id]),
        ...rulesOf('dimensions').map((rule) => dimensions[rule.target.fieldId]),
    ];
    const tables = new Set(used.flatMap((field) => field.tablesReferences ?? [field.table]));
    const named = (id, field) => `${field.compiledSql} as ${quote}${id}${quote}`;
    const selected = [
        ...metricQuery.dimensions.map((id) => named(id, dimensions[id])),
        ...[...metricIds].map((id) => named(id, metrics[id])),
    ];
    const joins = explore.joinedTables
        .filter((joined) => tables.has(joined.table))
        .map((joined) => {
            const table = `${explore.tables[joined.table].sqlTable} as ${quote}${joined.table}${quote}`;
            return `left outer join ${table} on ${joined.compiledSqlOn}`;
        });
    const where = rulesOf('dimensions').map((rule) => condition(rule, dimensions[rule.target.fieldId]));
    const having = rulesOf('metrics').map((rule) => condition(rule, metrics[rule.target.fieldId]));
    const groups = metricQuery.dimensions.map((_, index) => index + 1);
    const order = metricQuery.sorts.map(
        ({ fieldId, descending }) => `${quote}${fieldId}${quote}${descending ? ' desc' : ''}`,
    );
    return [
        `with metrics as (select ${selected.join(', ')}`,
        `from ${explore.tables[explore.baseTable].sqlTable} as ${quote}${explore.baseTable}${quote}`,
        ...joins,
        where.length ? `where ${where.join(' and ')}` : '',
        groups.length ? `group by ${groups.join(', ')})` : ')',
        'select * from metrics',
        having.length ? `where ${having.join(' and ')}` : '',
        order.length ? `order by ${order.join(', ')}` : '',
        `limit ${metricQuery.limit}`,
    ]
        .filter(Boolean)
        .join('\n');
}
