/**
 * Metrics for Prometheus and health endpoints for load balancers and container managers, over the HTTP service.
 *
 * Invariants: metrics are for configured clients and for logins with the permission; a health endpoint reveals only
 * whether the server is healthy; a filter or scanner that is down does not make the server unready.
 */
import { type Administration, definePlugin, inNetworks, type MetricStatus, SUPPORT } from 'iems'
import { Answer, Download, Http, type HttpApi, HttpProblem } from '../http/api.ts'
import { options } from './options.ts'
import { prometheusText } from './text.ts'

const TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const READ = 'metrics:read'
/** Ms that the store has to answer. */
const STORE_MS = 5000

export const metrics = definePlugin({
  name: 'metrics',
  config: options,
  needs: [Http],
  setup({ path, from }, ctx) {
    const http = ctx.use(Http)
    const administration = ctx.administration.as({ user: 'metrics', roles: [SUPPORT] })
    const isNamed = inNetworks(from)
    http.stream({
      method: 'GET',
      path,
      who: 'anyone',
      summary: 'Metrics for Prometheus',
      async run({ remote, login }) {
        if (!isNamed(remote) && !login?.may(READ)) throw new HttpProblem(403, 'This client may not read metrics')
        const text = Buffer.from(prometheusText([...(await administration.metrics()), ...stateOf(administration)]))
        return new Download({
          type: TYPE,
          open: async function* () {
            yield text
          },
        })
      },
    })
    addHealth(http, administration)
    return {}
  },
})

/** Whether the server's components are running and its dependencies available. */
function stateOf(administration: Administration): MetricStatus[] {
  const components = administration.components().map(({ name, kind, state }) => ({
    labels: { component: name, kind },
    value: state === 'running' ? 1 : 0,
  }))
  return [{ name: 'iems_component_running', kind: 'gauge', help: 'Whether a component runs', series: components }]
}

function addHealth(http: HttpApi, administration: Administration): void {
  http.route({
    method: 'GET',
    path: '/health/live',
    who: 'anyone',
    summary: 'Liveness: the event loop turns',
    run: () => ({ status: 'ok' }),
  })
  http.route({
    method: 'GET',
    path: '/health/ready',
    who: 'anyone',
    summary: 'Readiness: the store answers, and every listener and delivery runs or was stopped by an administrator',
    async run() {
      const isReady = await ready(administration)
      return new Answer(isReady ? 200 : 503, { status: isReady ? 'ok' : 'failed' })
    },
  })
}

async function ready(administration: Administration): Promise<boolean> {
  const hasFailed = administration
    .components()
    .some(({ kind, state }) => state === 'failed' && (kind === 'listener' || kind === 'delivery'))
  if (hasFailed) return false
  const timeout = new Promise<false>((resolve) => setTimeout(resolve, STORE_MS, false).unref())
  // The status reads the lanes of the queue in the store.
  const answers = administration.status().then(
    () => true,
    () => false,
  )
  return Promise.race([answers, timeout])
}
