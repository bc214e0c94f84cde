/**
 * The output of a command that a screen shows: its lines, once it has ended.
 */
import { useEffect, useState } from 'react'
import { type Line, stream } from './api.ts'

export function useOutput(words: string, values: object = {}) {
  const [lines, setLines] = useState<readonly Exclude<Line, { end: string }>[]>()
  const given = JSON.stringify(values)
  useEffect(() => {
    const gone = new AbortController()
    const load = async () => {
      const found: Exclude<Line, { end: string }>[] = []
      for await (const line of stream('/api/v1/commands/run', { words, values: JSON.parse(given) }, gone.signal)) {
        if (!('end' in line)) found.push(line)
        else if (line.why) found.push({ text: line.why })
      }
      setLines(found)
    }
    load().catch((cause: Error) => !gone.signal.aborted && setLines([{ text: cause.message }]))
    return () => gone.abort()
  }, [words, given])
  return lines
}
