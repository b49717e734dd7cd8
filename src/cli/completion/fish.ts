// The completion of fish: a rule for every word and flag, and conditions that know which command is being written.
import {
  type CommandWords,
  dashed,
  type FlagWords,
  FRONT_FLAGS,
  firstWords,
  type Kind,
  nounsIn,
  quoted,
  secondWords,
  type ValueKind,
} from './words.ts'

export const fishScript = (
  commands: readonly CommandWords[],
): string => `# fish completion for slipway, made by: slipway completion fish

# Flags of a command whose value is the next word.
function __slipway_valued
    switch $argv[1]
${commands.map(valuedOf).join('\n')}
    end
end

# Words before the cursor without the flags in front: sets __slipway_words and __slipway_program.
function __slipway_read
    set -g __slipway_words
    set -l tokens (commandline -opc)
    set -g __slipway_program $tokens[1]
    set -l at 2
    while test $at -le (count $tokens); and string match -q -- '-*' $tokens[$at]
        string match -qr -- '^--(root|config)=' $tokens[$at]; and set -a __slipway_program $tokens[$at]
        if contains -- $tokens[$at] --root --config
            test $at -lt (count $tokens); and set -a __slipway_program $tokens[$at] $tokens[(math $at + 1)]
            set at (math $at + 1)
        end
        set at (math $at + 1)
    end
    test $at -le (count $tokens); and set -g __slipway_words $tokens[$at..-1]
    test $at -le (math (count $tokens) + 1)
end

function __slipway_first
    __slipway_read; and test (count $__slipway_words) -eq 0
end

function __slipway_second
    __slipway_read; and test (count $__slipway_words) -eq 1; and test $__slipway_words[1] = $argv[1]
end

# True when the command is one of these.
function __slipway_is
    __slipway_read; or return 1
    set -l words $__slipway_words
    contains -- "$words[1]" $argv; or contains -- "$words[1..2]" $argv
end

# True when the next word is word number $argv[1] (from 0) of one of these commands, or a later one with '+'.
function __slipway_at
    set -l wanted $argv[1]
    set -e argv[1]
    __slipway_is $argv; or return 1
    set -l rest $__slipway_words[2..-1]
    set -l command $__slipway_words[1]
    if not contains -- $command $argv
        set command "$__slipway_words[1..2]"
        set rest $__slipway_words[3..-1]
    end
    set -l valued (__slipway_valued $command)
    set -l count 0
    set -l skip 0
    for word in $rest
        if test $skip -eq 1
            set skip 0
        else if contains -- $word $valued
            set skip 1
        else if not string match -q -- '-?*' $word
            set count (math $count + 1)
        end
    end
    test $skip -eq 0; or return 1
    test $count -eq (string replace + '' $wanted); and return 0
    string match -q '*+' $wanted; and test $count -gt (string replace + '' $wanted)
end

function __slipway_names
    __slipway_read
    command $__slipway_program completion names $argv[1] 2>/dev/null
end

complete -c slipway -f
${firstWords(commands)
  .map(([word, text]) => `complete -c slipway -n __slipway_first -a ${word} -d ${quoted(text)}`)
  .join('\n')}
${FRONT_FLAGS.map((flag) => `complete -c slipway -n __slipway_first${flagRule(flag)}`).join('\n')}
${nounsIn(commands)
  .flatMap((noun) =>
    secondWords(commands, noun).map(
      ([word, text]) => `complete -c slipway -n '__slipway_second ${noun}' -a ${word} -d ${quoted(text)}`,
    ),
  )
  .join('\n')}
complete -c slipway -n '__slipway_second help' -a '${firstWords(commands)
  .map(([word]) => word)
  .join(' ')}'
${commands.flatMap(rulesOf).join('\n')}
`

const valuedOf = ({ names, flags }: CommandWords): string => {
  const valued = flags.filter(({ value }) => value !== undefined)
  return `        case ${names.map(quoted).join(' ')}
            string split ' ' -- ${quoted(valued.flatMap(dashed).join(' '))}`
}

const rulesOf = ({ names, flags, positionals, repeats }: CommandWords): readonly string[] => {
  const all = names.map((name) => `"${name}"`).join(' ')
  return [
    ...flags.map((flag) => `complete -c slipway -n ${quoted(`__slipway_is ${all}`)}${flagRule(flag)}`),
    ...positionals.flatMap((kind, at) => {
      const offered = offer(kind)
      const number = `${at}${repeats && at === positionals.length - 1 ? '+' : ''}`
      return offered === ''
        ? []
        : [`complete -c slipway -n ${quoted(`__slipway_at ${number} ${all}`)}${offered}`]
    }),
  ]
}

const flagRule = ({ names, short, help, value }: FlagWords): string => {
  const words = [...names.map((name) => ` -l ${name}`), ...(short === undefined ? [] : [` -s ${short}`])]
  return `${words.join('')}${value === undefined ? '' : ` -r${offer(value)}`} -d ${quoted(help)}`
}

const offer = (value: ValueKind): string => {
  if (typeof value !== 'string') return ` -f -a ${quoted(value.join(' '))}`
  return OFFERS[value]
}
const OFFERS: Readonly<Record<Kind, string>> = {
  file: ' -F',
  directory: " -f -a '(__fish_complete_directories)'",
  none: '',
  image: " -f -a '(__slipway_names image)'",
  container: " -f -a '(__slipway_names container)'",
  place: " -F -a '(__slipway_names place)'",
  any: " -f -a '(__slipway_names any)'",
  registry: " -f -a '(__slipway_names registry)'",
  volume: " -f -a '(__slipway_names volume)'",
}
