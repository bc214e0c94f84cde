/**
 * Generates the manual page and shell completion from all commands, including those of plugins.
 *
 * Invariants: a summary is always text in the page and never a roff request, and no shell ever executes a word of it.
 */
import type { Command } from 'commander'
import { out } from './print.ts'

interface Described {
  /** `queue list`; empty for `iems` itself. */
  readonly words: string
  readonly usage: string
  readonly summary: string
  readonly below: readonly string[]
  readonly options: readonly { readonly flags: string; readonly long: string; readonly text: string }[]
  readonly isRunnable: boolean
}

/** All commands in tree order. */
function describe(command: Command, words: readonly string[] = []): Described[] {
  const below = command.commands.filter((one) => one.name() !== 'help')
  const given = command.registeredArguments.map((one) => {
    const name = `${one.name()}${one.variadic ? '...' : ''}`
    return one.required ? `<${name}>` : `[${name}]`
  })
  const own: Described = {
    words: words.join(' '),
    usage: [...words, ...given].join(' '),
    summary: command.description(),
    below: below.map((one) => one.name()),
    options: command.options.map(({ flags, long, description }) => ({ flags, long: long ?? flags, text: description })),
    isRunnable: below.length === 0 || command.registeredArguments.length > 0,
  }
  return [own, ...below.flatMap((one) => describe(one, [...words, one.name()]))]
}

/** Escapes text for roff. */
const roff = (text: string) =>
  text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll(/\s+/g, ' ').replace(/^[.']/, '\\&$&')

function manualPage(iems: Command): string {
  const commands = describe(iems)
  const lines = [
    `.TH IEMS 8 "" "iems ${roff(iems.version() ?? '')}" "System administration"`,
    '.SH NAME',
    `iems \\- ${roff(iems.description())}`,
    '.SH SYNOPSIS',
    '.B iems',
    '.I command',
    '[\\fIarguments\\fR] [\\fIoptions\\fR]',
    '.SH DESCRIPTION',
    roff('Starts a server, or speaks to a running one through the control socket in its data folder.'),
    roff('Commands of plugins run on the store when no server runs.'),
    '.SH COMMANDS',
    ...commands.filter(({ words, isRunnable }) => words !== '' && isRunnable).flatMap(roffOf),
    '.SH EXIT STATUS',
    roff('0: it is done. 1: it failed, or what was looked at is ill; standard error says what to do.'),
    '.SH FILES',
    '.TP',
    '.I iems.config.ts',
    roff('The configuration, looked for from the present folder upwards.'),
  ]
  return lines.join('\n')
}

function roffOf({ usage, summary, options }: Described): string[] {
  const shown = options.flatMap(({ flags, text }) => ['.TP', `.B ${roff(flags)}`, roff(text) || '\\&'])
  return [
    '.TP',
    `.B iems ${roff(usage)}`,
    roff(summary) || '\\&',
    ...(shown.length > 0 ? ['.RS', ...shown, '.RE'] : []),
  ]
}

/** Letters, digits and dashes only; other characters could be code in a shell. */
const isWord = (word: string) => /^[\w-]+$/.test(word)

function bash(iems: Command): string {
  const cases = describe(iems).map(({ words, below, options }) => {
    const all = [...below, ...options.map(({ long }) => long)].filter(isWord)
    return `    "${words.split(' ').every((word) => isWord(word) || word === '') ? words : ''}") echo "${all.join(' ')}" ;;`
  })
  return `_iems_words() {
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}
_iems() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word next
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do
    next="\${path:+$path }$word"
    _iems_words "$next" >/dev/null && path="$next"
  done
  COMPREPLY=($(compgen -W "$(_iems_words "$path")" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -F _iems iems`
}

const SHELLS: Readonly<Record<string, (iems: Command) => string>> = {
  bash,
  zsh: (iems) => `autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n${bash(iems)}`,
}

function completionScript(iems: Command, shell: string): string {
  const script = SHELLS[shell]
  if (!script) throw new Error(`There is no completion for ${shell}; there is for ${Object.keys(SHELLS).join(' and ')}`)
  return script(iems)
}

export function addManual(iems: Command): void {
  iems
    .command('man')
    .description('the manual page of these commands: iems man | man -l -')
    .action(() => void out(manualPage(iems)))
  iems
    .command('completion')
    .description('completion for a shell, bash or zsh: eval "$(iems completion bash)"')
    .argument('<shell>')
    .action((shell: string) => void out(completionScript(iems, shell)))
}
