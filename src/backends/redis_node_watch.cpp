#include "backends/redis_node_watch.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace sluice::backends {

namespace {

constexpr unsigned kLinesInARow = 3;

bool is_up(const RedisNodeHealth& node) { return node.connected && node.breaker == "closed"; }

std::string after_text(TimePoint since, TimePoint now) {
  const auto away = std::chrono::duration_cast<std::chrono::seconds>(now - since);
  return away.count() < 1 ? std::string() : ", after " + render_duration(away);
}

}  // namespace

std::optional<std::string> RedisNodeWatch::tell(Known& known, const RedisNodeHealth& node,
                                                TimePoint now) {
  const auto& reasons = known.reasons;
  const bool is_new_reason = !known.is_up && !node.why.empty() &&
                             reasons.size() < kMaxRedisReasons &&
                             std::find(reasons.begin(), reasons.end(), node.why) == reasons.end();
  if (known.told_at && known.is_up == known.told_up && !is_new_reason) return std::nullopt;
  const bool is_quiet = !known.told_at || now - *known.told_at >= kRedisSayAgain;
  if (is_quiet) known.lines = 0;
  if (known.lines >= kLinesInARow) return std::nullopt;
  std::string line = "redis: " + node.at;
  if (known.is_up) {
    line += " takes calls";
    if (known.told_at) line += " again";
    if (!known.told_at && node.role != "unknown") line += " as " + node.role;
    if (known.away_since && known.told_at) line += after_text(*known.away_since, now);
  } else {
    line += " takes no calls: " + (node.why.empty() ? "not connected" : node.why);
  }
  if (known.changes > 1) line += " (" + std::to_string(known.changes) + " changes meanwhile)";
  if (known.is_up) known.reasons.clear();
  if (!known.is_up) known.reasons.push_back(node.why);
  known.told_up = known.is_up;
  known.told_at = now;
  known.changes = 0;
  ++known.lines;
  return line;
}

std::vector<std::string> RedisNodeWatch::look(const std::vector<RedisNodeHealth>& nodes,
                                              TimePoint now) {
  std::vector<std::string> lines;
  std::map<std::string, Known> kept;
  for (const RedisNodeHealth& node : nodes) {
    auto known = known_.find(node.at);
    const bool is_new = known == known_.end();
    const bool up = is_up(node);
    if (is_new && !up && node.why.empty()) continue;
    Known each = is_new ? Known{} : known->second;
    if (is_new || each.is_up != up) ++each.changes;
    if (!up && (is_new || each.is_up)) each.away_since = now;
    each.is_up = up;
    if (auto line = tell(each, node, now)) lines.push_back(std::move(*line));
    kept.insert_or_assign(node.at, each);
  }
  known_ = std::move(kept);
  return lines;
}

}  // namespace sluice::backends
