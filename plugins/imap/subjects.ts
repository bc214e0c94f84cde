/**
 * Base subjects and message ids, by which SORT and THREAD put messages together (RFC 5256).
 */

/** Section 2.1: without Re:, Fwd:, list names in brackets and (fwd), white space folded. */
export function baseSubject(subject: string): string {
  let text = subject.replace(/\s+/g, ' ').trim()
  // Each turn takes something away, so it ends.
  for (let before = ''; before !== text; ) {
    before = text
    text = text.replace(/(?:\(fwd\)|\s)+$/i, '')
    text = text.replace(/^(?:\[[^[\]]{0,200}\] ?)*(?:re|fwd?) ?(?:\[[^[\]]{0,200}\] ?)?: ?/i, '')
    // A list's name in brackets goes, unless nothing would be left.
    const bare = text.replace(/^\[[^[\]]{0,200}\] ?/, '')
    if (bare !== '') text = bare
    const wrapped = /^\[fwd:(.*)\]$/i.exec(text)
    if (wrapped) text = (wrapped[1] ?? '').trim()
  }
  return text
}

/** Whether the subject says that it answers or forwards another. */
export function isReply(subject: string): boolean {
  return baseSubject(subject) !== subject.replace(/\s+/g, ' ').trim()
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
