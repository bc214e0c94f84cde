/**
 * Problems of a running server, worded for administrators.
 *
 * A failure of an external server is not grave: mail is deferred and everything else continues.
 */
import type { Problem } from '../api/administration.ts'
import type { ComponentStatus } from '../api/component.ts'
import type { Backend } from '../net/backend.ts'
import { counted } from './text.ts'

export function problemsOf(
  components: readonly ComponentStatus[],
  backends: readonly (Backend & { readonly plugin: string })[],
): readonly Problem[] {
  return [...components.flatMap(componentProblem), ...backends.flatMap(backendProblem)]
}

function componentProblem({ name, kind, state, why }: ComponentStatus): readonly Problem[] {
  const cure = `iems component start ${name}`
  if (state === 'failed') {
    const isGrave = kind === 'listener' || kind === 'delivery'
    return [{ text: `${name} has failed${why === undefined ? '' : `: ${why}`}`, cure, isGrave }]
  }
  return state === 'stopped' ? [{ text: `${name} is stopped`, cure, isGrave: false }] : []
}

function backendProblem({ plugin, service, server, failures, lastFailure }: Backend & { readonly plugin: string }) {
  if (failures === 0) return []
  const why = lastFailure === undefined ? '' : `: ${lastFailure}`
  const text = `${service} at ${server} is down for ${plugin} (${counted(failures, 'failure')} in a row)${why}`
  return [{ text, cure: `Start ${service} at ${server}, or correct the address in ${plugin}.`, isGrave: false }]
}
