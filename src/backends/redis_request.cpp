#include "backends/redis_request.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "backends/sub_window.h"

namespace sluice::backends {

namespace {

using Arguments = std::vector<std::string>;

std::string digits(std::int64_t n) { return std::to_string(n); }
std::string digits(Duration d) { return std::to_string(d.count()); }

// Times that sums in a script can bear.
std::string span(Duration d) {
  return digits(std::clamp(d, Duration{0}, kLongestPeriod));
}

std::string bytes_of(ReservationId id) {
  std::string bytes(sizeof id, '\0');
  std::memcpy(bytes.data(), &id, sizeof id);
  return bytes;
}

// Of a subject's arguments: kind, resolution, how many follow.
constexpr std::size_t kSizeAt = 2;
constexpr char kLists = 'd';

template <class Op>
void add_demand(Arguments& to, const Op& op, const RedisKeys& keys, std::string name) {
  to.push_back(std::move(name));
  to.push_back(digits(limited_units(op.n)));
  to.push_back(op.distinct ? keys.short_hash(*op.distinct) : std::string());
  to.push_back(digits(static_cast<std::int64_t>(op.windows.size())));
  for (const auto& window : op.windows) {
    to.push_back(digits(window.count));
    to.push_back(digits(limited_period(window.period)));
  }
  to.emplace_back(op.bucket ? "1" : "0");
  if (!op.bucket) return;
  to.push_back(digits(op.bucket->capacity));
  to.push_back(digits(limited_units(op.bucket->refill.count)));
  to.push_back(digits(limited_period(op.bucket->refill.period)));
}

}  // namespace

std::string list_field(const std::string& list, const std::string& value) {
  std::string field = list;
  field += '\0';
  field += value;
  return field;
}

std::string RedisRequest::stored_name(const std::string& name) const {
  return settings_->names ? name.substr(0, kMaxStoredName) : std::string();
}

RedisCall& RedisRequest::call_for(RedisKind kind, const RedisKeys::Place& place,
                                  std::size_t& index) {
  auto key = RedisKeys::key(place, kind);
  const auto [found, is_new] = places_.try_emplace(key, calls_.size());
  index = found->second;
  if (!is_new) return calls_[index];
  std::vector<std::string> keys{RedisKeys::clock(place.group), std::move(key)};
  if (kind == RedisKind::Limit) {
    keys.push_back(RedisKeys::key(place, RedisKind::Holds));
    keys.push_back(RedisKeys::key(place, RedisKind::Values));
  }
  auto& call = new_call(static_cast<char>(kind), std::move(keys));
  if (kind == RedisKind::Limit) call.args.push_back(digits(settings_->margin));
  if (kind == RedisKind::Greylist || kind == RedisKind::AutoAllow)
    call.args.push_back(digits(2 * settings_->margin));
  return call;
}

RedisCall& RedisRequest::new_call(char kind, std::vector<std::string> keys) {
  answers_.push_back(0);
  auto& call = calls_.emplace_back();
  call.script = &redis_script(RedisScriptName::Operations);
  call.head = settings_->time;
  call.keys = std::move(keys);
  call.args = {std::string(1, kind), digits(settings_->resolution), {}};
  call.is_repeatable = true;
  return call;
}

std::vector<RedisCall> RedisRequest::take() {
  for (RedisCall& call : calls_)
    call.args[kSizeAt] = std::to_string(call.args.size() - kSizeAt - 1);
  return std::move(calls_);
}

RedisRequest::Part RedisRequest::append(RedisCall& call, std::size_t index, bool is_read,
                                        Arguments arguments) {
  call.is_repeatable = call.is_repeatable && is_read;
  std::move(arguments.begin(), arguments.end(), std::back_inserter(call.args));
  return {index, answers_[index]++};
}

RedisRequest::Part RedisRequest::add(RedisKind kind, const RedisKeys::Place& place, bool is_read,
                                     Arguments arguments) {
  std::size_t index = 0;
  auto& call = call_for(kind, place, index);
  return append(call, index, is_read, std::move(arguments));
}

RedisRequest::Part RedisRequest::add_shared(bool is_read, Arguments arguments) {
  using Shared = RedisKeys::Shared;
  const auto [found, is_new] = places_.try_emplace("", calls_.size());
  const std::size_t index = found->second;
  if (is_new) {
    std::vector<std::string> keys{RedisKeys::clock(0)};
    for (const auto what : {Shared::Entries, Shared::Ends, Shared::Changes, Shared::State})
      keys.push_back(RedisKeys::shared(what));
    new_call(kLists, std::move(keys));
  }
  return append(calls_[index], index, is_read, std::move(arguments));
}

// Limits.

RedisRequest::Part RedisRequest::add(const Reserve& op) {
  Arguments arguments{"reserve", bytes_of(op.id), op.even_if_exceeded ? "1" : "0"};
  add_demand(arguments, op, *keys_, stored_name(op.name));
  return add(RedisKind::Limit, keys_->place(op.key), false, std::move(arguments));
}

RedisRequest::Part RedisRequest::add(const Peek& op) {
  Arguments arguments{"peek"};
  add_demand(arguments, op, *keys_, "");
  return add(RedisKind::Limit, keys_->place(op.key), true, std::move(arguments));
}

RedisRequest::Part RedisRequest::add(const Commit& op) {
  Arguments arguments{"commit", bytes_of(op.id)};
  add_demand(arguments, op, *keys_, stored_name(op.name));
  return add(RedisKind::Limit, keys_->place(op.key), false, std::move(arguments));
}

RedisRequest::Part RedisRequest::add(const Release& op) {
  return add(RedisKind::Limit, keys_->place(op.key), false, {"release", bytes_of(op.id)});
}

RedisRequest::Part RedisRequest::add(const Renew& op) {
  return add(RedisKind::Limit, keys_->place(op.key), false, {"renew", bytes_of(op.id)});
}

// Greylist.

RedisRequest::Part RedisRequest::add(const GreylistLook& op) {
  return add(RedisKind::Greylist, keys_->place(op.key), true,
             {"look", span(op.delay), span(op.retry_within)});
}

RedisRequest::Part RedisRequest::add(const GreylistRecord& op) {
  return add(RedisKind::Greylist, keys_->place(op.key), false,
             {"record", stored_name(op.name), span(op.retry_within)});
}

RedisRequest::Part RedisRequest::add(const GreylistPromote& op) {
  return add(RedisKind::Greylist, keys_->place(op.key), false,
             {"promote", stored_name(op.name), span(op.remember)});
}

RedisRequest::Part RedisRequest::add_auto(const GreylistLook& op) {
  return add(RedisKind::AutoAllow, keys_->place(op.auto_key), true, {"look"});
}

RedisRequest::Part RedisRequest::add_auto(const GreylistPromote& op) {
  return add(RedisKind::AutoAllow, keys_->place(op.auto_key), false,
             {"count", keys_->short_hash(op.key), span(op.remember),
              digits(std::min(op.auto_after, kMaxAutoAfter)), span(op.auto_for)});
}

// Lists, values seen, news.

RedisRequest::Part RedisRequest::add(const ListAdd& op, std::size_t most_entries) {
  return add_shared(false, {"add", list_field(op.list, op.value),
                            op.network ? op.network->to_string() : "-",
                            op.keep ? span(*op.keep) : "-1",
                            digits(static_cast<std::int64_t>(most_entries))});
}

RedisRequest::Part RedisRequest::add(const ListRemove& op) {
  return add_shared(false, {"remove", list_field(op.list, op.value)});
}

RedisRequest::Part RedisRequest::add(const Seen& op) {
  return add(RedisKind::Seen, keys_->place(op.key), true, {"look"});
}

RedisRequest::Part RedisRequest::add(const SeenRecord& op) {
  return add(RedisKind::Seen, keys_->place(op.key), false, {"record", span(op.keep)});
}

RedisRequest::Part RedisRequest::add_news(std::int64_t known_version) {
  return add_shared(true, {"news", digits(known_version), keys_->fingerprint()});
}

}  // namespace sluice::backends
