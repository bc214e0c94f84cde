/**
 * Decides which running plugins serve the next configuration unchanged and which are set up again.
 *
 * A plugin stays when its code, its options and the providers of its services stay, or when it can apply other options
 * in place. Invariants: nothing changes here; in-place options take effect when the new kernel starts to run.
 */
import type { ConfigIdentity } from './config-identity.ts'
import { needsOf, wantsOf } from './needs.ts'
import type { AnyPlugin, HostKernel, PluginHost } from './plugin-host.ts'

/** The running kernel, as the next one sees it. */
export interface RunningHosts {
  readonly hosts: readonly PluginHost[]
}

export interface Staying {
  readonly host: PluginHost
  readonly configured: AnyPlugin
  /** Puts the new options into effect. */
  apply(): void
}

export interface PlanDeps {
  readonly identity: ConfigIdentity
  readonly before: HostKernel & RunningHosts
  readonly next: HostKernel
}

const providerOf = (service: string, hosts: readonly PluginHost[]) => hosts.find(({ offered }) => offered.has(service))

/** How a plugin stays, or undefined when it must be set up again. `staying`: those of its providers that stay. */
export async function stays(
  one: AnyPlugin,
  providers: readonly PluginHost[],
  { identity, before, next }: PlanDeps,
): Promise<Staying | undefined> {
  const host = before.hosts.find(({ name }) => name === one.name)
  if (host?.definition !== one.definition) return undefined
  if (before.dns !== next.dns || before.config.hostname !== next.config.hostname) return undefined
  const isChannel = (of: HostKernel) => of.config.channels.some(({ name }) => name === one.name)
  if (isChannel(before) !== isChannel(next)) return undefined
  const isSameProvider = (service: string) => providerOf(service, providers) === providerOf(service, before.hosts)
  if (![...needsOf(one), ...wantsOf(one)].every(isSameProvider)) return undefined
  if (identity.ofOptions(one.options) === identity.ofOptions(host.configured.options))
    return (await host.parts.refresh?.()) === false ? undefined : { host, configured: one, apply() {} }
  const apply = (await host.parts.reconfigure?.(one.options)) || undefined
  return apply && { host, configured: one, apply }
}
