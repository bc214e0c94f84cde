/**
 * Searches of the root DSE and the subschema, which are not entries of the directory.
 */
import type { Asker } from './asker.ts'
import { compile } from './matching.ts'
import type { SearchRequest } from './protocol/requests.ts'
import { entryResponse, ldapMessage, type Result, SUCCESS } from './protocol/responses.ts'
import { rootAttributes, type Special, SUBSCHEMA_ATTRIBUTES, specialShown, specialValues } from './root.ts'
import { selectionOf } from './selection.ts'
import { SUBSCHEMA_DN } from './view.ts'

export interface SpecialEntry {
  readonly dn: string
  readonly attributes: Special
}

/** Undefined for every other base. */
export function specialAt(base: string, suffix: string, asker: Asker): SpecialEntry | undefined {
  const name = base.trim().toLowerCase()
  if (name === SUBSCHEMA_DN.toLowerCase()) return { dn: SUBSCHEMA_DN, attributes: SUBSCHEMA_ATTRIBUTES }
  if (name !== '') return undefined
  const facts = { suffix, mayStartTls: asker.mayStartTls(), mechanisms: asker.mechanisms() }
  return { dn: '', attributes: rootAttributes(facts) }
}

export function answerSpecial(
  { dn, attributes }: SpecialEntry,
  request: SearchRequest,
  { id, asker }: { readonly id: number; readonly asker: Asker },
): Result {
  const values = specialValues(attributes)
  const isMeant = compile(request.filter, { groupsOf: new Map(), membersOf: new Map() })
  // A filter for subentries (RFC 3672) names a class that entries do not have.
  const truth = isMeant({
    id: undefined,
    dn,
    values: ({ key, type }) => values.get(key) ?? (type ? [] : undefined),
    all: () => values,
    memberBase: '',
  })
  if (truth === true)
    asker.output.write(
      ldapMessage(id, entryResponse(dn, specialShown(attributes, selectionOf(request.attributes), request.typesOnly))),
    )
  return SUCCESS
}
