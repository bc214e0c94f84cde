/**
 * The commands of `iems` itself, without those of plugins.
 *
 * Invariants: nothing runs and no file of the configuration is read before a command line is parsed.
 */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addBackup } from './backup.ts'
import { addChecks } from './check.ts'
import { addDoctor } from './doctor.ts'
import { showEveryCommand } from './help.ts'
import { addInit } from './init/init.ts'
import { addManual } from './manual.ts'
import { addQueue } from './queue.ts'
import { addResponder } from './responder/responder.ts'
import { addSend } from './send.ts'
import { addServer } from './server.ts'
import { addStart } from './start.ts'
import { addWatch } from './watch.ts'

function version(): string {
  // This file is in core/ in a checkout, and in dist/core/ in a package.
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      // Try the other path.
    }
  }
  return 'unknown'
}

/** The program with its own commands. */
export function program(): Command {
  const iems = new Command('iems').description('All-in-one messaging server').version(version())
  showEveryCommand(iems)
  for (const add of [
    addInit,
    addBackup,
    addDoctor,
    addStart,
    addChecks,
    addServer,
    addSend,
    addQueue,
    addWatch,
    addResponder,
    addManual,
  ])
    add(iems)
  return iems
}
