/** `iems ccmail inspect`: what an export file holds, and what is not as the format says. */
import { isAbsolute } from 'node:path'
import { type Command, counted, escapeLine } from 'iems'
import { openFile } from '../format/file.ts'
import { readMessages } from '../format/reader.ts'
import type { Translator } from '../translator.ts'

export function createInspect(translator: Translator): Command {
  return {
    summary: 'show what a file that cc:Mail exported holds, and what is not as expected',
    arguments: ['<file>'],
    async *run({ arguments: [path = ''], signal }) {
      if (!isAbsolute(path)) throw new Error(`${path}: give an absolute path, of the machine that the server runs on`)
      const file = await openFile(path)
      const counts = { messages: 0, files: 0, damaged: 0 }
      const folders = new Map<string, number>()
      const findings = new Map<string, number>()
      try {
        for await (const read of readMessages(file, translator)) {
          signal.throwIfAborted()
          counts.messages++
          if (read.damage !== undefined) counts.damaged++
          counts.files += read.message.items.filter(({ kind }) => kind !== 'text').length
          const { folder } = read.message
          if (folder !== undefined) folders.set(folder, (folders.get(folder) ?? 0) + 1)
          for (const finding of [...read.findings, ...(read.damage === undefined ? [] : [read.damage])])
            findings.set(finding, (findings.get(finding) ?? 0) + 1)
          if (counts.messages % 500 === 0) yield { progress: `${counts.messages} messages` }
        }
      } finally {
        await file.close()
      }
      const value = { ...counts, folders: Object.fromEntries(folders), findings: Object.fromEntries(findings) }
      const lines = [
        `${counted(counts.messages, 'message')}, ${counted(counts.files, 'file')}, ${counts.damaged} that cannot be read`,
        ...[...folders].map(([name, count]) => `  folder ${escapeLine(name)}: ${count}`),
        ...[...findings].map(([what, count]) => `  ! ${escapeLine(what)}${count > 1 ? ` (${count} times)` : ''}`),
      ]
      yield { text: lines.join('\n'), value }
    },
  }
}
