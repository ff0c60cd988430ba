#include "app/replay_postfix_log.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice::app {
namespace {

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::string kept(std::string_view text) { return std::string(text.substr(0, kMaxReplayText)); }

std::int64_t number_of(std::string_view text, std::int64_t otherwise) {
  std::int64_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_loopback(const mail::Connection& connection) {
  static const IpAddress v6 = *IpAddress::parse("::1");
  return connection.client_ip &&
         ((connection.client_ip->is_v4() && connection.client_ip->bytes()[12] == 127) ||
          *connection.client_ip == v6);
}

// Ports by the name of the service in master.cf, as Debian's syslog_name has it.
std::uint16_t port_of(std::string_view service) {
  if (service.find("submissions") != std::string_view::npos ||
      service.find("smtps") != std::string_view::npos)
    return 465;
  return service.find("submission") != std::string_view::npos ? 587 : 25;
}

// What the MTA refuses by itself, now and later: no policy changes it.
bool is_unknown_to_mta(std::string_view reply) {
  static constexpr std::array<std::string_view, 4> kSigns{" 5.1.1 ", "User unknown",
                                                          "Relay access denied", "5.1.10 "};
  return std::any_of(kSigns.begin(), kSigns.end(), [&](std::string_view sign) {
    return reply.find(sign) != std::string_view::npos;
  });
}

void set_key(std::string& key, std::string_view host, std::string_view id) {
  key.assign(host);
  key += '/';
  key += id;
}

}  // namespace

PostfixLog::PostfixLog(std::unique_ptr<LineReader> lines)
    : lines_(std::move(lines)), time_(lines_->modified()) {}

bool PostfixLog::is_front_ready() const {
  if (order_.empty()) return false;
  const Item& front = *order_.front();
  return front.is_complete || at_end_ || order_.size() > kMaxOpen || now_ - front.event.at > kHold;
}

bool PostfixLog::next(ReplayEvent& event) {
  for (;;) {
    while (!is_front_ready()) {
      if (at_end_) return false;
      at_end_ = !read_line();
      if (at_end_ && order_.empty()) return false;
    }
    const std::unique_ptr<Item> item = std::move(order_.front());
    order_.pop_front();
    if (!item->key.empty()) open_.erase(item->key);
    const bool tells_nothing = item->event.kind == ReplayEvent::Kind::Transaction &&
                               item->event.recipients.empty() && item->event.refusal.empty();
    if (tells_nothing) {
      ++counts_.incomplete;
      continue;
    }
    if (item->wanted > static_cast<int>(item->targets.size()))
      item->event.recipients_not_told =
          static_cast<std::size_t>(item->wanted) - item->targets.size();
    event = std::move(item->event);
    return true;
  }
}

const std::vector<PostfixLog::Process>& PostfixLog::processes() {
  static const std::vector<Process> all{{"smtpd", &PostfixLog::smtpd},
                                        {"smtp", &PostfixLog::delivery},
                                        {"qmgr", &PostfixLog::qmgr},
                                        {"cleanup", &PostfixLog::cleanup},
                                        {"lmtp", &PostfixLog::delivery},
                                        {"virtual", &PostfixLog::delivery},
                                        {"local", &PostfixLog::delivery},
                                        {"pipe", &PostfixLog::delivery},
                                        {"error", &PostfixLog::delivery},
                                        {"retry", &PostfixLog::delivery},
                                        {"discard", &PostfixLog::delivery},
                                        {"pickup", &PostfixLog::pickup},
                                        {"nqmgr", &PostfixLog::qmgr},
                                        {"oqmgr", &PostfixLog::qmgr},
                                        {"postscreen", &PostfixLog::postscreen}};
  return all;
}

bool PostfixLog::read_line() {
  std::string_view text;
  if (!lines_->next(text)) return false;
  ++counts_.lines;
  const auto time = time_.take(text);
  const auto line = time ? parse_postfix_line(text) : std::nullopt;
  if (!line) {
    if (text.find("postfix") != std::string_view::npos) ++counts_.not_understood;
    return true;
  }
  now_ = std::max(now_, *time);
  for (const Process& process : processes()) {
    if (process.name == line->process) {
      (this->*process.handle)(*line);
      break;
    }
  }
  return true;
}

// --- smtpd ---

void PostfixLog::smtpd(const PostfixLine& line) {
  std::string_view text = line.text;
  if (line.queue_id.empty()) {
    if (take_prefix(text, "connect from ")) return connected(line, text);
    if (take_prefix(text, "disconnect from ")) return disconnected(line);
    if (const auto tls = parse_postfix_tls(text)) {
      tells_tls_ = true;
      if (Session* session = session_of(line)) session->tls = *tls;
    }
    return;
  }
  if (line.queue_id != "NOQUEUE" && take_prefix(text, "client=")) return accepted(line, text);
  if (take_prefix(text, "reject: ")) return rejected(line, text, false);
  if (take_prefix(text, "milter-reject: ")) return rejected(line, text, true);
}

PostfixLog::Session* PostfixLog::session_of(const PostfixLine& line) {
  set_key(key_, line.host, line.pid);
  const auto found = sessions_.find(key_);
  return found != sessions_.end() ? &found->second : nullptr;
}

void PostfixLog::connected(const PostfixLine& line, std::string_view client) {
  auto connection = parse_postfix_client(client);
  if (!connection) return void(++counts_.not_understood);
  if (is_loopback(*connection)) return;
  connection->server_port = port_of(line.service);
  if (sessions_.size() >= kMaxSessions) sessions_.clear();
  set_key(key_, line.host, line.pid);
  Session& session = sessions_[key_];
  session = Session();
  session.name = "smtpd" + std::to_string(++sessions_begun_);
  session.connection = std::move(*connection);
  Item item;
  item.event.kind = ReplayEvent::Kind::Connect;
  tell_session(session, item.event);
  begin_item(std::move(item));
}

void PostfixLog::disconnected(const PostfixLine& line) {
  const Session* session = session_of(line);
  if (session == nullptr) return;
  Item item;
  item.event.kind = ReplayEvent::Kind::Disconnect;
  item.event.session = session->name;
  sessions_.erase(key_);
  begin_item(std::move(item));
}

void PostfixLog::tell_session(const Session& session, ReplayEvent& event) const {
  event.session = session.name;
  event.connection = session.connection;
  event.helo = session.helo;
  if (session.tls.active || tells_tls_) event.tls = session.tls;
}

void PostfixLog::begin_item(Item item) {
  item.event.at = now_;
  order_.push_back(std::make_unique<Item>(std::move(item)));
  if (!order_.back()->key.empty()) open_[order_.back()->key] = order_.back().get();
}

PostfixLog::Item* PostfixLog::find_item(const PostfixLine& line) {
  if (line.queue_id.empty()) return nullptr;
  set_key(key_, line.host, line.queue_id);
  const auto found = open_.find(key_);
  return found != open_.end() ? found->second : nullptr;
}

void PostfixLog::complete(Item& item) {
  item.is_complete = true;
  open_.erase(item.key);
  item.key.clear();
}

void PostfixLog::accepted(const PostfixLine& line, std::string_view fields) {
  if (Item* old = find_item(line)) complete(*old);  // the queue id is used again
  auto connection = parse_postfix_client(fields);
  if (!connection) return void(++counts_.not_understood);
  if (is_loopback(*connection) || fields.find(", orig_client=") != std::string_view::npos)
    return void(++counts_.local);
  Item item;
  const Session* session = session_of(line);
  if (session != nullptr && session->connection.client_ip == connection->client_ip) {
    tell_session(*session, item.event);
  } else {
    item.event.connection = std::move(*connection);
    item.event.connection.server_port = port_of(line.service);
  }
  if (const auto user = postfix_field(fields, ", sasl_username=", {", sasl_sender=", ", orig_"})) {
    const auto method = postfix_field(fields, ", sasl_method=", {", "});
    item.event.login = mail::Login{kept(*user), method ? kept(*method) : std::string()};
  }
  item.event.queue_id = kept(line.queue_id);
  set_key(item.key, line.host, line.queue_id);
  item.is_complete = false;
  begin_item(std::move(item));
}

void PostfixLog::rejected(const PostfixLine& line, std::string_view text, bool by_milter) {
  const auto rejection = parse_postfix_rejection(text);
  if (!rejection) return void(++counts_.not_understood);
  Session* session = line.process == "smtpd" ? session_of(line) : nullptr;
  if (session != nullptr && rejection->helo) session->helo = kept(*rejection->helo);
  if (!rejection->sender) return;  // CONNECT, HELO: nothing was sent yet
  const bool whole_message = rejection->stage != "RCPT";
  Item* open = find_item(line);
  Item fresh;
  ReplayEvent& event = open != nullptr ? open->event : fresh.event;
  if (open == nullptr) {
    if (session != nullptr) {
      tell_session(*session, event);
    } else if (auto connection = parse_postfix_client(rejection->client)) {
      event.connection = std::move(*connection);
      event.connection.server_port = port_of(line.service);
    } else {
      return void(++counts_.not_understood);
    }
    if (is_loopback(event.connection)) return void(++counts_.local);
  }
  event.sender = kept(*rejection->sender);
  if (rejection->helo) event.helo = kept(*rejection->helo);
  if (whole_message) event.refusal = kept(rejection->reply);
  if (rejection->recipient && event.recipients.size() < kMaxReplayRecipients) {
    ReplayRecipient recipient{kept(*rejection->recipient), {}, false};
    if (!whole_message) recipient.refusal = kept(rejection->reply);
    recipient.is_unknown_to_mta = !by_milter && is_unknown_to_mta(rejection->reply);
    event.recipients.push_back(std::move(recipient));
  }
  if (open == nullptr) return begin_item(std::move(fresh));
  if (whole_message) complete(*open);
}

// --- the others ---

void PostfixLog::cleanup(const PostfixLine& line) {
  std::string_view text = line.text;
  if (take_prefix(text, "milter-reject: ")) return rejected(line, text, true);
  if (take_prefix(text, "reject: ")) return rejected(line, text, false);
  if (!take_prefix(text, "message-id=")) return;
  if (Item* item = find_item(line)) item->event.message_id = kept(text);
}

void PostfixLog::qmgr(const PostfixLine& line) {
  Item* item = find_item(line);
  if (item == nullptr) return;
  std::string_view text = line.text;
  if (text == "removed") return complete(*item);
  if (!take_prefix(text, "from=<")) return;
  const auto size = postfix_field(text, ">, size=", {","});
  if (!size) return;
  item->event.sender = kept(text.substr(0, text.find(">, size=")));
  item->event.size = number_of(*size, 0);
  const auto wanted = postfix_field(text, ", nrcpt=", {" "});
  item->wanted = static_cast<int>(
      std::clamp<std::int64_t>(wanted ? number_of(*wanted, -1) : -1, -1, 1'000'000));
}

void PostfixLog::delivery(const PostfixLine& line) {
  Item* item = find_item(line);
  if (item == nullptr) return;
  std::string_view text = line.text;
  if (!take_prefix(text, "to=<")) return;
  const std::string_view target = text.substr(0, text.find(">, "));
  const auto original = postfix_field(text, ">, orig_to=<", {">, "});
  const std::uint64_t hash = keyed_hash(target);
  if (std::find(item->targets.begin(), item->targets.end(), hash) != item->targets.end()) return;
  if (item->targets.size() >= kMaxReplayRecipients) return;
  item->targets.push_back(hash);
  std::string address = kept(original.value_or(target));
  auto& recipients = item->event.recipients;
  const bool is_known =
      std::any_of(recipients.begin(), recipients.end(),
                  [&](const ReplayRecipient& one) { return one.address == address; });
  if (!is_known) recipients.push_back({std::move(address), {}, false});
  if (item->wanted >= 0 && static_cast<int>(item->targets.size()) >= item->wanted) complete(*item);
}

void PostfixLog::pickup(const PostfixLine& line) {
  if (line.text.substr(0, 4) == "uid=") ++counts_.local;
}

void PostfixLog::postscreen(const PostfixLine& line) {
  if (line.queue_id == "NOQUEUE" && line.text.substr(0, 8) == "reject: ") ++counts_.early;
}

}  // namespace sluice::app
