# lizardcd completion for fish: lizardcd completion fish | source
function __lizardcd_complete
  set -l words (commandline -opc)
  set -l typed (commandline -ct | string replace -r '^["\']' '' | string replace -ra '\\\\(.)' '$1')
  lizardcd __complete $words[2..-1] "$typed" 2>/dev/null
end
complete -c lizardcd -f -a '(__lizardcd_complete)'
