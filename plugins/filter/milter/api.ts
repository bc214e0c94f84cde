/** The milter protocol, for the server side: packets and their content. */
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
