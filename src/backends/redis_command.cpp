#include "backends/redis_command.h"

namespace sluice::backends {
namespace {

void append_word(std::string& out, std::string_view word) {
  out += '$';
  out += std::to_string(word.size());
  out += "\r\n";
  out += word;
  out += "\r\n";
}

std::string head(std::size_t words) { return "*" + std::to_string(words) + "\r\n"; }

}  // namespace

std::string redis_command(const std::vector<std::string_view>& words) {
  std::string out = head(words.size());
  for (const std::string_view word : words) append_word(out, word);
  return out;
}

std::string redis_script_command(const std::vector<const RedisCall*>& calls, bool in_full) {
  const RedisCall& first = *calls.front();
  std::size_t keys = 0, args = first.head ? 1 : 0;
  for (const RedisCall* call : calls) {
    keys += call->keys.size();
    args += call->args.size();
  }
  std::string out = head(3 + keys + args);
  append_word(out, in_full ? "EVAL" : "EVALSHA");
  append_word(out, in_full ? first.script->source : first.script->sha1);
  append_word(out, std::to_string(keys));
  for (const RedisCall* call : calls)
    for (const std::string& key : call->keys) append_word(out, key);
  if (first.head) append_word(out, *first.head);
  for (const RedisCall* call : calls)
    for (const std::string& arg : call->args) append_word(out, arg);
  return out;
}

}  // namespace sluice::backends
