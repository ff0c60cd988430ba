// Shell completion, made from the table of commands: `sluice completion bash` prints a script to be sourced.
#pragma once
#include <string>
#include <vector>

namespace sluice::app {

// One command line up to which options and sub-commands are offered: "", "check", "limits show".
struct CompletionPoint {
  std::string command;
  std::vector<std::string> words;   // options and sub-commands
};

// shell: bash or zsh. Empty for any other.
std::string completion_script(const std::string& shell, const std::vector<CompletionPoint>& points);

}  // namespace sluice::app
