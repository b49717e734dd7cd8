// The completion of zsh: as that of bash, with what each word does beside it.
import {
  type CommandWords,
  dashed,
  type FlagWords,
  FRONT_FLAGS,
  firstWords,
  kindText,
  nounsIn,
  quoted,
  secondWords,
} from './words.ts'

export const zshScript = (commands: readonly CommandWords[]): string => `#compdef slipway
# zsh completion for slipway, made by: slipway completion zsh

_slipway_table() {
  flags=() positionals=() repeats= stops=
  values=()
  case $1 in
${commands.map(caseOf).join('\n')}
  *) return 1 ;;
  esac
}

_slipway_seconds() {
  case $1 in
${nounsIn(commands)
  .map((noun) => `  ${noun}) reply=(${secondWords(commands, noun).map(described).join(' ')}) ;;`)
  .join('\n')}
  *) reply=(); return 1 ;;
  esac
}

# Offers words of kind $1.
_slipway_offer() {
  local -a found
  case $1 in
  file) _files ;;
  directory) _files -/ ;;
  place) found=("\${(@f)$("\${program[@]}" completion names $1 2>/dev/null)}"); compadd -S '' -a found; _files ;;
  none) return 1 ;;
  words:*) found=(\${(s:|:)1#words:}); compadd -a found ;;
  *) found=("\${(@f)$("\${program[@]}" completion names $1 2>/dev/null)}"); compadd -a found ;;
  esac
}

_slipway() {
  local -a flags positionals program=($words[1]) reply
  local -A values
  local at=2 command word count=0 ended= repeats= stops=
  while ((at < CURRENT)) && [[ $words[at] == -* ]]; do
    [[ $words[at] == --(root|config)=* ]] && program+=($words[at])
    if [[ $words[at] == --(root|config) ]]; then
      ((at + 1 == CURRENT)) && { _files -/; return }
      program+=($words[at] $words[at+1])
      ((at++))
    fi
    ((at++))
  done
  local -a first=(${firstWords(commands).map(described).join(' ')})
  if ((at == CURRENT)); then
    if [[ $PREFIX == -* ]]; then
      local -a front=(${FRONT_FLAGS.flatMap(flagTexts).join(' ')})
      _describe -o option front
    else _describe command first; fi
    return
  fi
  command=$words[at]
  if [[ $command == help ]]; then
    ((at + 1 == CURRENT)) && _describe command first
    return
  fi
  if _slipway_seconds $command; then
    if ((at + 1 == CURRENT)); then
      _describe command reply
      return
    fi
    if _slipway_table "$command $words[at+1]"; then
      command="$command $words[at+1]"
      ((at++))
    fi
  fi
  _slipway_table $command || return
  for ((at = at + 1; at < CURRENT; at++)); do
    word=$words[at]
    if [[ -n $ended || $word != -?* ]]; then
      ((count++))
      [[ -n $stops ]] && return
    elif [[ $word == -- ]]; then ended=1
    elif [[ -n $values[$word] ]]; then
      ((at++))
      if ((at == CURRENT)); then _slipway_offer $values[$word]; return; fi
    fi
  done
  if [[ -z $ended && $PREFIX == --*=* ]]; then
    word=\${PREFIX%%=*}
    compset -P '*='
    [[ -n $values[$word] ]] && _slipway_offer $values[$word]
  elif [[ -z $ended && $PREFIX == -* ]]; then _describe -o option flags
  else
    if ((count >= $#positionals)); then
      [[ -n $repeats ]] || return
      count=$(($#positionals - 1))
    fi
    _slipway_offer $positionals[count+1]
  fi
}

# Autoloaded from a folder of fpath, or read with source.
if [[ $funcstack[1] == _slipway ]]; then _slipway "$@"; else compdef _slipway slipway; fi
`

const caseOf = ({ names, flags, positionals, repeats, stopsAtPositional }: CommandWords): string => {
  const parts = [
    `flags=(${flags.flatMap(flagTexts).join(' ')})`,
    `values=(${flags.flatMap(valuesOf).join(' ')})`,
    `positionals=(${positionals.map(kindText).map(quoted).join(' ')})`,
    ...(repeats ? ['repeats=1'] : []),
    ...(stopsAtPositional ? ['stops=1'] : []),
  ]
  return `  ${names.map(quoted).join(' | ')}) ${parts.join(' ')} ;;`
}

/** `word:what it does`, as _describe reads it. */
const described = ([word, text]: readonly [string, string]): string =>
  quoted(`${word.replaceAll(':', '\\\\:')}:${text}`)
const flagTexts = (flag: FlagWords): readonly string[] =>
  dashed(flag).map((name) => described([name, flag.help]))

const valuesOf = (flag: FlagWords): readonly string[] => {
  const { value } = flag
  return value === undefined ? [] : dashed(flag).flatMap((name) => [quoted(name), quoted(kindText(value))])
}
