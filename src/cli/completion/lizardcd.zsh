#compdef lizardcd
# lizardcd completion for zsh: source <(lizardcd completion zsh), or as the file _lizardcd in a folder of $fpath
_lizardcd() {
  local -a found
  found=("${(@f)$(lizardcd __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  found=("${(@)found:#}")
  compadd -- "${(@)found:#*=}"
  compadd -S '' -- "${(@M)found:#*=}"
}
if [[ ${funcstack[1]} == _lizardcd ]]; then
  _lizardcd "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _lizardcd lizardcd
fi
