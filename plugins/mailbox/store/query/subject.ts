/**
 * Base subjects and message ids, by which SORT and THREAD put messages together (RFC 5256).
 */

/** Characters of a subject that are compared. */
const MAX_SUBJECT = 1000

const spaced = (subject: string) => subject.slice(0, MAX_SUBJECT).replace(/\s+/g, ' ').trim()

/** Section 2.1: without Re:, Fwd:, list names in brackets and (fwd), white space folded. */
export function baseSubject(subject: string): string {
  let text = spaced(subject)
  // Each turn takes something away, so it ends.
  for (let before = ''; before !== text; ) {
    before = text
    while (/\(fwd\)$/i.test(text)) text = text.slice(0, -'(fwd)'.length).trimEnd()
    text = text.replace(/^(?:\[[^[\]]{0,200}\] ?)*(?:re|fwd?) ?(?:\[[^[\]]{0,200}\] ?)?: ?/i, '')
    // Removes a list's name in brackets, unless nothing would remain.
    const bare = text.replace(/^\[[^[\]]{0,200}\] ?/, '')
    if (bare !== '') text = bare
    if (/^\[fwd:/i.test(text) && text.endsWith(']')) text = text.slice('[fwd:'.length, -1).trim()
  }
  return text
}

/** Whether the subject says that it answers or forwards another. */
export function isReply(subject: string): boolean {
  return baseSubject(subject) !== spaced(subject)
}

/** Ids in a field, without their brackets; each once. */
export function messageIds(field: string | undefined): readonly string[] {
  const found = (field ?? '').match(/<[^<>]{1,998}>/g) ?? []
  return [
    ...new Set(
      found.map((id) =>
        id
          .slice(1, -1)
          .replace(/\s+/g, '')
          .replace(/^"([^"\\]*)"(?=@)/, '$1'),
      ),
    ),
  ]
}
