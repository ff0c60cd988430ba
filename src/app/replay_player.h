// ReplayPlayer: plays the mail of the past to a policy in simulated time, with a state of its own,
// and says what each recipient would have been answered.
//
// What the source did not tell is unknown to the policy (HELO, TLS, the content of a message in a
// mail log), never none. DNS is not asked unless a resolver is given. A transaction goes beyond
// RCPT only when the log says that the message was received, or that its content was refused.
//
// Memory: at most kMaxOpenSessions sessions stay open, the one idle for longest goes first; the
// state has the caps of the embedded store. Threads: one.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/replay_event.h"
#include "app/replay_store.h"
#include "engine/ledger.h"
#include "engine/session.h"

namespace sluice::app {

// What one recipient gets.
struct Ruling {
  mail::Action action = mail::Action::Continue;
  int code = 0;
  std::string status, rule;
  bool is_weak = false;  // a greylist or a fact that was not there: a retry may pass
  bool operator==(const Ruling&) const = default;
  bool passes() const { return action == mail::Action::Continue; }
  std::string answer() const;  // "reject 550 5.7.1", "discard"
};

class ReplayFacts;

struct ReplaySettings {
  facts::FactSettings facts;
  engine::Resources resources;
  backends::DnsResolver* dns = nullptr;
  engine::DecisionSink* sink = nullptr;
};

class ReplayPlayer {
 public:
  static constexpr std::size_t kMaxOpenSessions = 2'000;
  static constexpr std::size_t kMaxUnknown = 200;

  ReplayPlayer(policy::ProgramPtr program, ReplaySettings settings);
  ~ReplayPlayer();

  // For a Transaction one ruling for each recipient (one in all when it has none). Good until the
  // next call.
  const std::vector<Ruling>& play(const ReplayEvent& event);

  std::uint64_t sessions() const { return sessions_begun_; }
  std::size_t open_sessions() const { return by_name_.size(); }
  // Facts that were unknown when a rule asked, as "spf.result(unsupported)", with how often.
  const std::map<std::string, std::uint64_t>& unknown() const { return unknown_; }
  const policy::Program& program() const { return *program_; }

 private:
  struct Open {
    std::string name;
    std::unique_ptr<engine::Session> session;
    Ruling ruling;  // of the whole session
    bool has_helo = false, has_mail = false;
    std::optional<std::string> helo;
    std::string sender;
  };
  using Sessions = std::list<Open>;

  void set_time(TimePoint at);
  Open& begin(const ReplayEvent& event);
  Open& session_of(const ReplayEvent& event);
  void end(const std::string& name);
  void transaction(Open& open, const ReplayEvent& event);
  bool say_helo(Open& open, const ReplayEvent& event);
  bool say_mail(Open& open, const ReplayEvent& event);
  int say_rcpt(Open& open, const ReplayEvent& event);
  void say_message(Open& open, const ReplayEvent& event);
  Ruling ruling_of(engine::Session& session, engine::Progress progress);
  void rule_all(const Ruling& ruling);

  policy::ProgramPtr program_;
  VirtualClock clock_;
  ReplayStore store_;
  engine::Ledger ledger_;
  std::unique_ptr<ReplayFacts> facts_;
  engine::Services services_;
  TimePoint renewed_{};
  Sessions open_;  // the one used last in front
  std::unordered_map<std::string, Sessions::iterator> by_name_;
  std::uint64_t sessions_begun_ = 0;
  std::vector<Ruling> rulings_;
  std::map<std::string, std::uint64_t> unknown_;
};

}  // namespace sluice::app
