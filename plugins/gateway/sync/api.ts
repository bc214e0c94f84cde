/**
 * Entries of another system's directory, brought into that of this server: a plan that can be shown, and its changes.
 */
export {
  synchronise,
  type WantedAccount,
  type WantedAlias,
  type WantedDomain,
  type WantedEntry,
  type WantedGroup,
} from './synchronise.ts'
