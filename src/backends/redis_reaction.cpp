#include "backends/redis_reaction.h"

#include <charconv>

#include "backends/redis_slot.h"
#include "base/text.h"

namespace sluice::backends {
namespace {

template <class T>
std::optional<T> parse_whole(std::string_view text) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

const std::vector<RedisErrorRule>& redis_error_rules() {
  using R = RedisReaction;
  static const std::vector<RedisErrorRule> rules = {
      {"MOVED", "", R::Move},
      {"ASK", "", R::Ask},
      {"TRYAGAIN", "", R::TryAgain},
      {"NOSCRIPT", "", R::SendScript},
      {"READONLY", "", R::Follow},
      {"CLUSTERDOWN", "", R::Away},
      {"MASTERDOWN", "", R::Away},
      {"LOADING", "", R::Away},
      {"BUSY", "", R::Away},
      {"OOM", "", R::Refuse},
      {"MISCONF", "", R::Refuse},
      {"NOREPLICAS", "", R::Rediscover},
      {"NOAUTH", "", R::Forbid},
      {"WRONGPASS", "", R::Forbid},
      {"NOPERM", "", R::Forbid},
      {"DENIED", "", R::Forbid},
      {"CROSSSLOT", "", R::Misuse},
      {"ERR", "max number of clients", R::BackOff},
      {"ERR", "The user executing the script", R::Forbid},
      {"ERR", "invalid password", R::Forbid},
      {"ERR", "AUTH ", R::Forbid},
      {"ERR", "unknown command", R::Forbid},
  };
  return rules;
}

RedisReaction redis_reaction(std::string_view error) {
  const std::size_t space = error.find(' ');
  const std::string_view word = error.substr(0, space);
  const std::string_view rest =
      space == std::string_view::npos ? std::string_view() : error.substr(space + 1);
  for (const RedisErrorRule& rule : redis_error_rules())
    if (rule.word == word && rest.substr(0, rule.rest.size()) == rule.rest) return rule.reaction;
  return RedisReaction::Answer;
}

std::optional<RedisRedirect> parse_redis_redirect(std::string_view error) {
  const auto words = split(error, ' ');
  if (words.size() != 3 || (words[0] != "MOVED" && words[0] != "ASK")) return std::nullopt;
  const auto slot = parse_whole<int>(words[1]);
  const std::size_t colon = words[2].rfind(':');  // an IPv6 host stands without brackets
  if (!slot || *slot < 0 || *slot >= kRedisSlots || colon == std::string_view::npos)
    return std::nullopt;
  const auto port = parse_whole<std::uint16_t>(words[2].substr(colon + 1));
  if (!port || *port == 0) return std::nullopt;
  return RedisRedirect{*slot, std::string(words[2].substr(0, colon)), *port};
}

}  // namespace sluice::backends
