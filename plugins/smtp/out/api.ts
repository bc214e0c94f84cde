/** What other plugins use of the SMTP client: writers of envelopes and content. */
export { DotStuffer } from './content.ts'
export { type Envelope, obstacle, writeEnvelope } from './envelope.ts'
export { type Features, readFeatures } from './features.ts'
