# lizardcd completion for bash: source <(lizardcd completion bash)
_lizardcd() {
  local line=${COMP_LINE:0:COMP_POINT} last=$COMP_CWORD typed='' cut='' quote='' one i
  local -a words=()
  # Bash cuts words at ":" and "=" as well: what stands together in the line is one word.
  for ((i = 0; i <= last; i++)); do
    one=${COMP_WORDS[i]}
    if ((i > 0)) && [[ $line == [![:blank:]]* ]]; then
      words[${#words[@]} - 1]+=$one
    else
      while [[ $line == [[:blank:]]* ]]; do line=${line:1}; done
      words+=("$one")
    fi
    line=${line#"$one"}
  done
  # What stands in quotes it replaces as a whole, else what follows the last ":" or "=".
  typed=${words[${#words[@]} - 1]}
  case $typed in
    \"* | \'*) quote=yes ;;
    *[:=]*) cut=${typed%"${typed##*[:=]}"} ;;
  esac
  for i in "${!words[@]}"; do
    one=${words[i]}
    one=${one#[\"\']}
    if ((i < ${#words[@]} - 1)); then one=${one%[\"\']}; fi
    words[i]=${one//\\/}
  done
  while IFS= read -r one; do
    one=${one#"${cut//\\/}"}
    if [[ -z $quote && $one == *[!A-Za-z0-9._/:=,@%+-]* ]]; then printf -v one %q "$one"; fi
    COMPREPLY+=("$one")
  done < <(lizardcd __complete "${words[@]:1}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _lizardcd lizardcd
