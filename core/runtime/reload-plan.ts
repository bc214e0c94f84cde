/**
 * Which plugins of the running configuration serve the next one as they are, and which are set up again.
 *
 * A plugin stays when its code, its options and all that provide its services stay, or when it can take other options in
 * place. Invariant: nothing changes here; what a plugin takes in place it takes when the new kernel begins to run.
 */
import type { ConfigIdentity } from './config-identity.ts'
import { needsOf, wantsOf } from './needs.ts'
import type { AnyPlugin, HostKernel, PluginHost } from './plugin-host.ts'

/** The kernel that runs, as the next one sees it. */
export interface RunningHosts {
  readonly hosts: readonly PluginHost[]
}

export interface Staying {
  readonly host: PluginHost
  readonly configured: AnyPlugin
  /** Takes the other options. */
  apply(): void
}

export interface PlanDeps {
  readonly identity: ConfigIdentity
  readonly before: HostKernel & RunningHosts
  readonly next: HostKernel
}

const providerOf = (service: string, hosts: readonly PluginHost[]) => hosts.find(({ offered }) => offered.has(service))

/** How a plugin stays, or undefined when it has to be set up. `staying` are those that stay of its providers. */
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
