/**
 * The public API by name: the only file that plugins and configurations import, as 'iems'.
 *
 * What is exported here is kept stable within a major version; anything else in core/ may change any day.
 */

export type { Queue, QueueEntry, QueueFilter } from './admin.ts'
export type { Backend } from './backend.ts'
export { type Config, type ConfigInput, defineConfig, Secret, secret, secretValue } from './config.ts'
export type { Content, ContentChange, ContentState, Contents, Holder, Holding, StagedContent } from './contents.ts'
export { ERRORS, type ErrorCode, IemsError } from './errors.ts'
export { createHeaderScanner, FIELD_START, type HeaderEnd, type HeaderScanner, headerEnd } from './header.ts'
export type * from './hooks.ts'
export { listenOption } from './listening/addresses.ts'
export { type Admission, type AdmissionLimits, createAdmission, createAdmissionState } from './listening/admission.ts'
export {
  type Certificates,
  LOOK_MS as CERTIFICATES_LOOK_MS,
  readAuthorities,
  readCertificates,
  type TlsOption,
  tlsOption,
  tlsServerOptions,
} from './listening/certificates.ts'
export { type Client, createListener, type ListenerOptions } from './listening/clients.ts'
export { Ended, Input, LineTooLong, TimedOut } from './listening/input.ts'
export { Broken, Output } from './listening/output.ts'
export { Pace } from './listening/pace.ts'
export { type Endpoint, receiveProxyHeader } from './listening/proxy.ts'
export { tlsFacts } from './listening/tls-facts.ts'
export type { EventName, Log } from './log.ts'
export { type RawField, type SplitContent, splitContent } from './message.ts'
export { groupsOf, isLoopback, plainAddress, reversed } from './net/addresses.ts'
export { both, createDns, type Dns, type DnsAnswer } from './net/dns.ts'
export type { DnsRecords, RecordType } from './net/dns-message.ts'
export { type DnsOptions, dnsOptions } from './net/dns-options.ts'
export { type HostName, hostNameOf } from './net/reverse.ts'
export { isThisHost } from './net/this-host.ts'
export { inNetworks, network } from './networks.ts'
export {
  createOutside,
  NoServer,
  OUTSIDE_ADDRESS,
  type Outside,
  type OutsideAddress,
  type OutsideParts,
  type OutsideServer,
  type OutsideState,
  QuestionFailed,
} from './outside.ts'
export type { Placement } from './placement.ts'
export {
  type Clock,
  type Command,
  type CommandCall,
  type CommandOutput,
  type DeliverContext,
  definePlugin,
  type Handler,
  type HookContext,
  type Parts,
  type Placed,
  type PluginDefinition,
  type PluginEntry,
  type PluginFactory,
  type SetupContext,
  type Stage,
  type Submission,
  type Submitted,
  type Taps,
} from './plugin.ts'
export type { DataReply } from './receive.ts'
export { accept, classOf, defer, type EnhancedCode, format, type Refusal, type Reply, refuse } from './reply.ts'
export { IdentityChanged } from './rights.ts'
export type { Job } from './runtime/jobs.ts'
export { defineSignal, type Signal, type Signals } from './runtime/signals.ts'
export { type AskClient, decodeResponse, type SaslExchange, type WholeCredentials } from './sasl/exchange.ts'
export type { JudgedMechanism, SaslMechanism } from './sasl/mechanisms.ts'
export { saslPrep } from './sasl/prepare.ts'
export { SCRAM_ITERATIONS } from './sasl/scram.ts'
export { defineService, type Service } from './service.ts'
export type { ClientFacts, OpenSession, TlsFacts } from './session.ts'
export { below, key, unkey } from './store/keys.ts'
export type { Blobs, ByteRange, Check, Key, Lease, Op, Range, Scheduled, Staged, Store, Value } from './store/store.ts'
export { counted, escapeLine, escapeText, formatSize, isPlainLine, withArticle } from './text.ts'
export { createTurns, NoTurn, type Turns } from './turns.ts'
export { duration, size } from './units.ts'
export { readZip, type ZipLimits, type ZippedFile } from './zip.ts'
