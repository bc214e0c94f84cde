/**
 * Problems of the machine that the server runs on: disk space and certificates. `iems status`, `iems doctor` and alerts
 * share them.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync, statfsSync } from 'node:fs'
import type { Problem } from '../api/administration.ts'
import { reasonOf } from '../api/errors.ts'
import { pathIn } from './config.ts'
import type { Config } from './config-schema.ts'
import { dataFolder } from './folders.ts'
import { counted, formatSize } from './text.ts'

/** The share of free inodes below which files can soon not be created. */
const MIN_INODES = 0.05
/** Free octets below which an administrator should act; at least twice `store.minFree`. */
const LOW = 1e9
const DAY_MS = 86_400_000
/** Days before the end of a certificate; renewal is usually due at 30. */
const MIN_DAYS = 14

export interface Space {
  /** Free octets. */
  readonly free: number
  readonly problems: readonly Problem[]
}

/** The space of the data folder. Throws when it does not exist. */
export function spaceOf(config: Config): Space {
  const folder = dataFolder(config)
  const minFree = 'minFree' in config.store ? config.store.minFree : 0
  const { bavail, bsize, files, ffree } = statfsSync(folder)
  const free = bavail * bsize
  const problems: Problem[] = []
  const text = `${formatSize(free)} free at ${folder}`
  if (free < minFree)
    problems.push({
      id: 'disk',
      text,
      cure: 'Free space or enlarge the disk: below store.minFree, new mail is deferred.',
      isGrave: true,
    })
  else if (free < Math.max(LOW, 2 * minFree))
    problems.push({
      id: 'disk',
      text,
      cure: 'Free space or enlarge the disk before store.minFree is reached.',
      isGrave: false,
    })
  if (files > 0 && ffree / files < MIN_INODES)
    problems.push({
      id: 'inodes',
      text: `fewer than 5 % of inodes are free at ${folder}`,
      cure: 'Remove files or enlarge the file system.',
      isGrave: true,
    })
  return { free, problems }
}

interface NamedFile {
  readonly path: string
  /** The name it must be for; absent for certificates that are chosen by name. */
  readonly hostname?: string
}

/** The certificate files that listeners name. */
export function certificateFiles(config: Config): readonly NamedFile[] {
  const files = new Map<string, NamedFile>()
  const add = (cert: unknown, hostname?: string) => {
    if (typeof cert !== 'string') return
    const path = pathIn(config, cert)
    if (hostname !== undefined || !files.has(path))
      files.set(path, { path, ...(hostname === undefined ? {} : { hostname }) })
  }
  for (const { options } of [...config.channels, ...config.plugins]) {
    const { tls } = (options ?? {}) as { tls?: { cert?: unknown; others?: unknown } }
    add(tls?.cert, config.hostname)
    for (const other of Array.isArray(tls?.others) ? tls.others : []) add((other as { cert?: unknown }).cert)
  }
  return [...files.values()]
}

export interface CertificateFacts {
  readonly text: string
  readonly problem?: Problem
}

/** Facts about a certificate file, and its faults. */
export function certificateFacts({ path, hostname }: NamedFile, now: number): CertificateFacts {
  const id = `certificate:${path}`
  try {
    const certificate = new X509Certificate(readFileSync(path))
    const days = Math.floor((Date.parse(certificate.validTo) - now) / DAY_MS)
    const text = `${path}: ${certificate.subject.replaceAll('\n', ', ')}, ends in ${counted(Math.max(0, days), 'day')}`
    const problem = (isGrave: boolean, cure: string, what = text) => ({
      text: what,
      problem: { id, text: what, cure, isGrave },
    })
    if (days < MIN_DAYS) return problem(days < 0, 'Renew it; listeners read the file again every minute.')
    if (hostname !== undefined && !certificate.checkHost(hostname))
      return problem(false, `Get a certificate for ${hostname}.`, `${text}; not for ${hostname}`)
    return { text }
  } catch (cause) {
    const text = `${path}: ${reasonOf(cause)}`
    return { text, problem: { id, text, cure: 'Name a PEM file that the server can read.', isGrave: true } }
  }
}
