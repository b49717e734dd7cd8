// The completion of bash: a table of commands, and a walk over the words before the cursor. Needs nothing but bash 4.
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

export const bashScript = (
  commands: readonly CommandWords[],
): string => `# bash completion for slipway, made by: slipway completion bash

_slipway_table() {
  flags= values= positionals= repeats= stops=
  case $1 in
${commands.map(caseOf).join('\n')}
  *) return 1 ;;
  esac
}

_slipway_seconds() {
  case $1 in
${nounsIn(commands)
  .map(
    (noun) =>
      `  ${noun}) echo ${secondWords(commands, noun)
        .map(([word]) => word)
        .join(' ')} ;;`,
  )
  .join('\n')}
  esac
}

# What the value of flag $2 may be, by the list in $1.
_slipway_kind() {
  local pair
  for pair in $1; do [[ $pair == "$2="* ]] && { echo "\${pair#*=}"; return; }; done
  return 1
}

# Names of kind $1 that begin with $2.
_slipway_names() {
  local word
  "\${program[@]}" completion names "$1" 2>/dev/null | while IFS= read -r word; do
    [[ $word == "$2"* ]] && printf '%s\\n' "$word"
  done
}

# Fills COMPREPLY with words of kind $1 that begin with $2; $3 stands before each of them.
_slipway_offer() {
  case $1 in
  file) mapfile -t found < <(compgen -f -- "$2"); compopt -o filenames 2>/dev/null ;;
  directory) mapfile -t found < <(compgen -d -- "$2"); compopt -o filenames 2>/dev/null ;;
  place)
    mapfile -t found < <(_slipway_names place "$2")
    # A path follows the colon, and no file's name is to be quoted as one that has a colon.
    if ((\${#found[@]} > 0)); then compopt -o nospace 2>/dev/null; else compopt -o filenames 2>/dev/null; fi
    mapfile -t -O \${#found[@]} found < <(compgen -f -- "$2") ;;
  none) found=() ;;
  words:*) mapfile -t found < <(compgen -W "\${1#words:}" -- "$2") ;;
  *) mapfile -t found < <(_slipway_names "$1" "$2") ;;
  esac
  COMPREPLY=("\${found[@]/#/$3}")
}

_slipway() {
  local line=\${COMP_LINE:0:COMP_POINT} words=() found=() program=("$1") at=1 current command
  local flags values positionals repeats stops count=0 ended= kind before=
  # Names have colons, at which bash would split: words are taken from the line itself.
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  current=\${words[-1]}
  local last=$((\${#words[@]} - 1))
  COMPREPLY=()
  while ((at < last)) && [[ \${words[at]} == -* ]]; do
    [[ \${words[at]} == --@(root|config)=* ]] && program+=("\${words[at]}")
    if [[ \${words[at]} == --@(root|config) ]]; then
      ((at + 1 == last)) && { _slipway_offer directory "$current" ''; return; }
      program+=("\${words[at]}" "\${words[at + 1]}")
      at=$((at + 1))
    fi
    at=$((at + 1))
  done
  if ((at == last)); then
    if [[ $current == -* ]]; then _slipway_offer ${quoted(`words:${FRONT_FLAGS.flatMap(dashed).join(' ')}`)} "$current" ''
    else _slipway_offer ${quoted(
      `words:${firstWords(commands)
        .map(([word]) => word)
        .join(' ')}`,
    )} "$current" ''; fi
    return
  fi
  command=\${words[at]}
  if [[ $command == help ]]; then
    ((at + 1 == last)) && _slipway_offer ${quoted(
      `words:${firstWords(commands)
        .map(([word]) => word)
        .join(' ')}`,
    )} "$current" ''
    return
  fi
  if [[ -n $(_slipway_seconds "$command") ]]; then
    if ((at + 1 == last)); then _slipway_offer "words:$(_slipway_seconds "$command")" "$current" ''; return; fi
    if _slipway_table "$command \${words[at + 1]}"; then
      at=$((at + 1))
      command="$command \${words[at]}"
    fi
  fi
  _slipway_table "$command" || return
  for ((at = at + 1; at < last; at++)); do
    if [[ -n $ended || \${words[at]} != -?* ]]; then
      count=$((count + 1))
      [[ -n $stops ]] && return
    elif [[ \${words[at]} == -- ]]; then ended=1
    elif kind=$(_slipway_kind "$values" "\${words[at]}"); then
      at=$((at + 1))
      if ((at == last)); then
        _slipway_offer "\${kind//|/ }" "$current" ''
        _slipway_cut
        return
      fi
    fi
  done
  if [[ -z $ended && $current == --*=* ]]; then
    kind=$(_slipway_kind "$values" "\${current%%=*}") && _slipway_offer "\${kind//|/ }" "\${current#*=}" "\${current%%=*}="
  elif [[ -z $ended && $current == -* ]]; then _slipway_offer "words:$flags" "$current" ''
  else
    kind=($positionals)
    ((count >= \${#kind[@]})) && { [[ -n $repeats ]] || return; count=$((\${#kind[@]} - 1)); }
    _slipway_offer "\${kind[count]//|/ }" "$current" ''
  fi
  _slipway_cut
}

# Bash puts in only what comes after the last of its word breaks.
_slipway_cut() {
  local cut=$current i
  cut=\${cut%"\${cut##*["\${COMP_WORDBREAKS//[^:=]/}"]}"}
  [[ $COMP_WORDBREAKS == *[:=]* ]] || cut=
  for ((i = 0; i < \${#COMPREPLY[@]}; i++)); do COMPREPLY[i]=\${COMPREPLY[i]#"$cut"}; done
}

complete -F _slipway slipway
`

const caseOf = ({ names, flags, positionals, repeats, stopsAtPositional }: CommandWords): string => {
  const parts = [
    `flags=${quoted(flags.flatMap(dashed).join(' '))}`,
    `values=${quoted(flags.flatMap(valuesOf).join(' '))}`,
    `positionals=${quoted(positionals.map(kindText).join(' '))}`,
    ...(repeats ? ['repeats=1'] : []),
    ...(stopsAtPositional ? ['stops=1'] : []),
  ]
  return `  ${names.map(quoted).join(' | ')}) ${parts.join(' ')} ;;`
}

const valuesOf = (flag: FlagWords): readonly string[] => {
  const { value } = flag
  return value === undefined ? [] : dashed(flag).map((name) => `${name}=${kindText(value)}`)
}
