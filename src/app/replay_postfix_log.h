// PostfixLog: sessions and messages put together from the lines of a Postfix mail log, as smtpd,
// cleanup, qmgr and the delivery agents wrote them, interleaved.
//
//   smtpd     connect, TLS, client= with sasl_username=, reject lines (with helo=), disconnect
//   cleanup   message-id=, milter-reject at the end of the message
//   qmgr      from=, size=, nrcpt=, removed
//   others    to=, orig_to= (the recipient as the client sent it)
//
// A message is told when all its recipients are known, at the latest kHold of log time after it
// came; everything is told in the order in which it came. At most kMaxOpen events and kMaxSessions
// sessions are kept at one time: beyond that the oldest is told as far as it is known. Queue ids
// that are used again begin a new message. HELO is only in reject lines, the SIZE parameter is
// taken to be the size of the message.
#pragma once
#include <deque>
#include <memory>
#include <unordered_map>

#include "app/line_reader.h"
#include "app/log_time.h"
#include "app/postfix_line.h"
#include "app/replay_source.h"
#include "base/text.h"

namespace sluice::app {

class PostfixLog final : public ReplaySource {
 public:
  static constexpr Duration kHold{300'000};
  static constexpr std::size_t kMaxOpen = 50'000;
  static constexpr std::size_t kMaxSessions = 20'000;

  explicit PostfixLog(std::unique_ptr<LineReader> lines);

  bool next(ReplayEvent& event) override;
  ReplayCounts counts() const override { return counts_; }
  std::uint64_t position() const override { return lines_->position(); }
  std::uint64_t length() const override { return lines_->length(); }

  // Kept at this moment.
  std::size_t open_events() const { return order_.size(); }
  std::size_t open_sessions() const { return sessions_.size(); }

 private:
  struct Item {
    ReplayEvent event;
    std::string key;  // host and queue id; empty: it is not open
    bool is_complete = true;
    int wanted = -1;                     // nrcpt=
    std::vector<std::uint64_t> targets;  // hashes of to=
  };
  struct Session {
    std::string name;  // of its events
    mail::Connection connection;
    std::optional<std::string> helo;
    mail::Tls tls;
  };
  using Handle = void (PostfixLog::*)(const PostfixLine&);
  struct Process {
    std::string_view name;
    Handle handle;
  };
  static const std::vector<Process>& processes();

  bool is_front_ready() const;
  bool read_line();
  void smtpd(const PostfixLine& line);
  void cleanup(const PostfixLine& line);
  void qmgr(const PostfixLine& line);
  void pickup(const PostfixLine& line);
  void postscreen(const PostfixLine& line);
  void delivery(const PostfixLine& line);

  void connected(const PostfixLine& line, std::string_view client);
  void disconnected(const PostfixLine& line);
  void accepted(const PostfixLine& line, std::string_view fields);
  void rejected(const PostfixLine& line, std::string_view rejection, bool by_milter);
  void begin_item(Item item);
  Item* find_item(const PostfixLine& line);
  void complete(Item& item);
  Session* session_of(const PostfixLine& line);
  void tell_session(const Session& session, ReplayEvent& event) const;

  std::unique_ptr<LineReader> lines_;
  LogTime time_;
  TimePoint now_{};
  bool at_end_ = false;
  bool tells_tls_ = false;  // some line did: then silence means plain text
  std::uint64_t sessions_begun_ = 0;
  std::deque<std::unique_ptr<Item>> order_;
  std::unordered_map<std::string, Item*, KeyedHash, std::equal_to<>> open_;
  std::unordered_map<std::string, Session, KeyedHash, std::equal_to<>>
      sessions_;     // by host and process id
  std::string key_;  // of the last look-up: no allocation per line
  ReplayCounts counts_;
};

}  // namespace sluice::app
