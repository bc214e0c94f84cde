/** The milter protocol, for the server side: packets and their content; and changes of filters to a message. */
export { applyTo, type Change, ourField, written } from './changes.ts'
export {
  ACTION,
  CHUNK,
  numbers,
  type Packet,
  ProtocolFault,
  packet,
  readStrings,
  STEP,
  strings,
} from './protocol.ts'
