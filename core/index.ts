/**
 * The public API: the only file of core/ that plugins and configurations import, as 'iems'.
 *
 * Exports are stable within a major version; everything else in core/ may change at any time.
 */

export {
  ADMIN,
  type Administration,
  type AdministrationService,
  type CommandInfo,
  type CommandRun,
  type ConfigurationView,
  type KernelStatus,
  type ListenerStatus,
  type NodeStatus,
  type PluginStatus,
  type Problem,
  type Status,
  SUPPORT,
} from './api/administration.ts'
export { Cache, type CacheOptions } from './api/cache.ts'
export type { Clock } from './api/clock.ts'
export {
  type Caller,
  type Command,
  type CommandCall,
  type CommandDefinition,
  type CommandOutput,
  type CommandSchema,
  defineCommand,
  type JsonSchema,
} from './api/command.ts'
export type {
  BackgroundHandle,
  BackgroundWork,
  ComponentKind,
  ComponentState,
  ComponentStatus,
} from './api/component.ts'
export { ERRORS, type ErrorCode, IemsError, reasonOf } from './api/errors.ts'
export type { EventName } from './api/events.ts'
export type * from './api/hooks.ts'
export type { Counter, Histogram, Labels, MetricSeries, MetricStatus, Metrics, ReadGauge } from './api/metrics.ts'
export {
  type ContentSource,
  type DeliverContext,
  definePlugin,
  type Handler,
  type HookContext,
  type PlacedHandler,
  type PluginDefinition,
  type PluginEntry,
  type PluginFactory,
  type PluginInstance,
  type SetupContext,
  type Stage,
  type Submission,
  type SubmissionRecipient,
  type Submitted,
  type Taps,
} from './api/plugin.ts'
export type { Rehearsal, Rehearsed, RehearsedMessage } from './api/rehearsal.ts'
export {
  accept,
  classOf,
  defer,
  type EnhancedCode,
  FAULT,
  format,
  type Refusal,
  type Reply,
  refuse,
} from './api/reply.ts'
export { isSameSecret } from './api/secrets.ts'
export { defineService, type Service } from './api/service.ts'
export type { ConnectionInfo, DataOptions, DataReply, Examination, ServerSession, TlsInfo } from './api/session.ts'
export type { HearSpan, Span } from './api/spans.ts'
export { IdentityChanged } from './auth/rights.ts'
export { type AskClient, decodeResponse, type SaslExchange, type WholeCredentials } from './auth/sasl/exchange.ts'
export type { CredentialMechanism, SaslMechanism } from './auth/sasl/mechanisms.ts'
export { saslPrep } from './auth/sasl/prepare.ts'
export { SCRAM_ITERATIONS } from './auth/sasl/scram.ts'
export { type DayWindow, isWithin } from './delivery/online.ts'
export { listenOption } from './listener/addresses.ts'
export {
  CertificateService,
  type CertificateSource,
  type Certificates,
  LOOK_MS as CERTIFICATES_LOOK_MS,
  readAuthorities,
  readCertificates,
  type TlsOption,
  tlsOption,
  tlsServerOptions,
} from './listener/certificates.ts'
export {
  type AdmissionLimits,
  type ConnectionLimits,
  createAdmissionState,
  createConnectionLimits,
} from './listener/connection-limits.ts'
export { ConnectionClosed, LineReader, LineTooLong, TimedOut } from './listener/line-reader.ts'
export { Broken, LineWriter } from './listener/line-writer.ts'
export { type Client, createListener, type ListenerOptions } from './listener/listener.ts'
export { type Literal, splitLiteral } from './listener/literal.ts'
export { type ListenerDefaults, listenerOptions } from './listener/options.ts'
export { Pace } from './listener/pace.ts'
export { type Endpoint, receiveProxyHeader } from './listener/proxy.ts'
export { type LineProtocol, type LineSession, serveLines } from './listener/serve-lines.ts'
export { tlsInfo } from './listener/tls-info.ts'
export { type RawField, type SplitContent, splitContent } from './message/headers.ts'
export { idTime } from './message/ids.ts'
export { createHeaderScanner, fieldName, type HeaderEnd, type HeaderScanner, headerEnd } from './mime/header-end.ts'
export { readZip, type ZipLimits, type ZippedFile } from './mime/zip.ts'
export { groupsOf, isLoopback, plainAddress, reversed } from './net/addresses.ts'
export type { Backend } from './net/backend.ts'
export {
  AllBackendsDown,
  BACKEND_ADDRESS,
  type BackendAddress,
  type BackendPool,
  type BackendPoolOptions,
  type BackendState,
  createBackendPool,
  type PooledBackend,
  RequestFailed,
} from './net/backends.ts'
export { both, createDns, type Dns, type DnsAnswer } from './net/dns.ts'
export type { DnsRecords, RecordType } from './net/dns-message.ts'
export { type DnsOptions, dnsOptions, parseNameServer } from './net/dns-options.ts'
export { type RecordChange, TSIG_ALGORITHMS, type TsigKey, updateZone, type ZoneUpdate } from './net/dns-update.ts'
export { foldDomain } from './net/domains.ts'
export { inNetworks, network } from './net/networks.ts'
export { type HostName, hostNameOf } from './net/reverse.ts'
export { certificateRequest, selfSigned } from './net/self-signed.ts'
export { createSemaphore, type Semaphore, SemaphoreRejected } from './net/semaphore.ts'
export { type Signer, signData } from './net/signed-data.ts'
export { isThisHost } from './net/this-host.ts'
export type { Queue, QueueEntry, QueueFilter, QueueHop } from './queue/admin.ts'
export type {
  BlobReference,
  Content,
  ContentChange,
  ContentState,
  ContentStore,
  Holding,
  StagedContent,
  StoredContent,
} from './queue/blob-references.ts'
export type { FoundMessage, MessageFilter, MessageState } from './queue/search.ts'
export { type Config, type ConfigInput, defineConfig, type StoreProvider } from './runtime/config-schema.ts'
export { type Examined, examineConfiguration } from './runtime/examine.ts'
export type { Job } from './runtime/jobs.ts'
export type { Log } from './runtime/log.ts'
export { type ReportDefaults, reportOptions } from './runtime/report-options.ts'
export { Secret, secret, secretValue } from './runtime/secret.ts'
export { dayWindows, type Settings } from './runtime/settings.ts'
export { defineSignal, type Signal, type Signals } from './runtime/signals.ts'
export { counted, escapeHtml, escapeLine, escapeText, formatSize, isPlainLine, withArticle } from './runtime/text.ts'
export { duration, size } from './runtime/units.ts'
export { createHints, createPending, type Hints, type Pending } from './store/hints.ts'
export { below, key, unkey } from './store/keys.ts'
export { dumpEntries } from './store/level/key-layout.ts'
export { decodeRecord, encodeRecord } from './store/record.ts'
export {
  type Blobs,
  type ByteRange,
  type Check,
  HINT_MAX_OCTETS,
  type Key,
  type Lease,
  type Op,
  type Range,
  type Scheduled,
  type Staged,
  type Store,
  type StoreDump,
  type Value,
} from './store/store.ts'
export { CONFLICT, TransactionConflict, type TransactOptions, transact } from './store/transact.ts'
