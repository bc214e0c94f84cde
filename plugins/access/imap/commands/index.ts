/**
 * All commands by name.
 */
import type { CommandDefinition } from '../command.ts'
import { append, replace } from './append.ts'
import { authenticate, login } from './authenticate.ts'
import { fetch } from './fetch.ts'
import { idle } from './idle.ts'
import { list, lsub, namespace, status } from './list.ts'
import { create, remove, rename, subscribe, unsubscribe } from './mailboxes.ts'
import { close, copy, expunge, move, store } from './messages.ts'
import { getmetadata, setmetadata } from './metadata.ts'
import { notify } from './notify.ts'
import { deleteacl, getacl, getquota, getquotaroot, listrights, myrights, setacl, setquota } from './rights.ts'
import { search, sort, thread } from './search.ts'
import { examine, select, unselect } from './select.ts'
import { capability, compress, enable, getjmapaccess, id, logout, noop, starttls, unauthenticate } from './session.ts'

export const COMMANDS: Readonly<Record<string, CommandDefinition>> = {
  APPEND: append,
  AUTHENTICATE: authenticate,
  CAPABILITY: capability,
  CHECK: { ...noop, state: 'selected' },
  CLOSE: close,
  COMPRESS: compress,
  COPY: copy,
  CREATE: create,
  DELETE: remove,
  DELETEACL: deleteacl,
  ENABLE: enable,
  EXAMINE: examine,
  EXPUNGE: expunge,
  FETCH: fetch,
  GETACL: getacl,
  GETJMAPACCESS: getjmapaccess,
  GETMETADATA: getmetadata,
  GETQUOTA: getquota,
  GETQUOTAROOT: getquotaroot,
  ID: id,
  IDLE: idle,
  LIST: list,
  LISTRIGHTS: listrights,
  LOGIN: login,
  LOGOUT: logout,
  LSUB: lsub,
  MOVE: move,
  MYRIGHTS: myrights,
  NAMESPACE: namespace,
  NOOP: noop,
  NOTIFY: notify,
  RENAME: rename,
  REPLACE: replace,
  SEARCH: search,
  SELECT: select,
  SETACL: setacl,
  SETMETADATA: setmetadata,
  SETQUOTA: setquota,
  SORT: sort,
  STARTTLS: starttls,
  STATUS: status,
  STORE: store,
  SUBSCRIBE: subscribe,
  THREAD: thread,
  UNAUTHENTICATE: unauthenticate,
  UNSELECT: unselect,
  UNSUBSCRIBE: unsubscribe,
}
