#include "app/completion.h"

namespace sluice::app {
namespace {

// The words that are no options, in order, are the command so far. What is offered there comes from the table; where
// nothing fits, files.
constexpr const char* kBash = R"(_sluice() {
  local current=${COMP_WORDS[COMP_CWORD]} command= word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [[ $word == -* ]] && continue
    [[ -n ${_sluice_words[${command:+$command }$word]+x} ]] && command=${command:+$command }$word
  done
  COMPREPLY=($(compgen -W "${_sluice_words[${command:-.}]}" -- "$current"))
  [[ ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _sluice sluice
)";

}  // namespace

std::string completion_script(const std::string& shell, const std::vector<CompletionPoint>& points) {
  if (shell != "bash" && shell != "zsh") return {};
  std::string script = "# Completion of sluice for " + shell + "; made by `sluice completion " + shell + "`.\n";
  if (shell == "zsh") script += "autoload -U +X bashcompinit && bashcompinit\n";
  script += "declare -gA _sluice_words=(\n";
  for (const CompletionPoint& point : points) {
    script += "  [\"" + (point.command.empty() ? "." : point.command) + "\"]=\"";
    for (std::size_t i = 0; i < point.words.size(); ++i) script += (i == 0 ? "" : " ") + point.words[i];
    script += "\"\n";
  }
  return script + ")\n" + kBash;
}

}  // namespace sluice::app
