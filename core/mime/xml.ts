/**
 * XML as a stream of events with positions. The only file that knows sax.
 *
 * The text is read as Latin-1, so that positions count octets; UTF-8 in it is decoded here. A DTD is never loaded; only
 * the entities of XML are known. The reader reports errors and goes on.
 */
import sax from 'sax'

export interface XmlHandlers {
  open(name: string, attributes: Readonly<Record<string, string>>, end: number): void
  /** `start`: where the closing tag begins. */
  close(name: string, start: number): void
  text(text: string): void
  problem(why: string): void
  /** There is a document type declaration. */
  doctype?(): void
}

export interface XmlReader {
  write(octets: Buffer): void
  end(): void
}

export function createXmlReader(handlers: XmlHandlers): XmlReader {
  const parser = sax.parser(true, { position: true, trim: false, normalize: false })
  let isUtf8 = true
  const decoded = (text: string) => (isUtf8 ? fromUtf8(text) : text)
  parser.onprocessinginstruction = ({ name, body }) => {
    const [, encoding = 'utf-8'] = name === 'xml' ? (/encoding\s*=\s*["']([\w.-]+)["']/i.exec(body) ?? []) : []
    if (name === 'xml') isUtf8 = !/^(?:iso-8859-1|latin1|windows-1252)$/i.test(encoding)
  }
  parser.onopentag = ({ name, attributes }) =>
    handlers.open(
      name,
      Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, decoded(String(value))])),
      parser.position,
    )
  parser.onclosetag = (name) => handlers.close(name, parser.startTagPosition - 1)
  parser.ondoctype = () => handlers.doctype?.()
  parser.ontext = (text) => handlers.text(decoded(text))
  parser.oncdata = (text) => handlers.text(decoded(text))
  parser.onerror = (error) => {
    handlers.problem(error.message.split('\n')[0] ?? '')
    // sax goes on once its error has been cleared.
    ;(parser as { error: Error | null }).error = null
    parser.resume()
  }
  return {
    write: (octets) => void parser.write(octets.toString('latin1')),
    end: () => void parser.close(),
  }
}

/** Runs of octets above 7F are UTF-8, unless they came from a numeric entity. */
function fromUtf8(text: string): string {
  return text.replace(/[\x80-\xff]+/g, (run) => {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(run, 'latin1'))
    } catch {
      return run
    }
  })
}
