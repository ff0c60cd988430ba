#include "app/mta_dialogue.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "app/mta_client.h"
#include "app/smtp_dialogue.h"
#include "app/test_message.h"
#include "base/text.h"
#include "facts/fact.h"
#include "milter/listener.h"
#include "milter/wire_engine.h"

namespace sluice::app {
namespace {

constexpr auto kSessionEnd = std::chrono::seconds(10);  // for the MTA to close its milter session

// The world that new milter sessions belong to, and what was decided in it.
class Desk final : public milter::SessionSource, public engine::DecisionSink {
 public:
  Desk() {
    idle_services_.clock = &clock_;
    Diagnostics diagnostics;
    const auto source =
        policy::load_policy_text("idle", "sluice: 1\npolicy: idle\nrules: []\n", diagnostics);
    idle_ = policy::compile(source, facts::built_in_vocabulary(), {}, diagnostics);
  }

  // Sessions that begin from now on are the test's. Before, the MTA tells of the real client.
  void hand_over(TestWorld* world) {
    const std::lock_guard lock(mutex_);
    world_ = world;
    if (world_ != nullptr) world_->services.sink = this;
    records_.clear();
  }
  std::unique_ptr<engine::Session> begin() override {
    const std::lock_guard lock(mutex_);
    if (world_ != nullptr)
      return std::make_unique<engine::Session>(world_->services, world_->program);
    return std::make_unique<engine::Session>(idle_services_, idle_);
  }
  void decided(const engine::DecisionRecord& record) override {
    const std::lock_guard lock(mutex_);
    if (world_ != nullptr) records_.push_back(record);
  }
  std::vector<engine::DecisionRecord> take_records() {
    const std::lock_guard lock(mutex_);
    return std::exchange(records_, {});
  }

 private:
  SystemClock clock_;
  engine::Services idle_services_;
  policy::ProgramPtr idle_;
  std::mutex mutex_;
  TestWorld* world_ = nullptr;
  std::vector<engine::DecisionRecord> records_;
};

struct Place {
  std::string host;
  std::uint16_t port = 0;
};

std::string xclient_word(const std::string& value) {
  return value.empty() ? "[UNAVAILABLE]" : value;
}

std::string xclient(const TestClient& client) {
  const bool is_v6 = client.ip.find(':') != std::string::npos;
  const std::string reverse = client.ptr.empty() ? client.rdns : client.ptr;
  std::string line = "XCLIENT NAME=" + xclient_word(client.rdns) +
                     " ADDR=" + (is_v6 ? "IPV6:" : "") + client.ip +
                     " PORT=40000 REVERSE_NAME=" + xclient_word(reverse);
  return line + " LOGIN=" + (client.auth.empty() ? "[UNAVAILABLE]" : client.auth);
}

class MtaDialogue final : public TestDialogue {
 public:
  MtaDialogue(Desk& desk, const milter::FrontEnd& front_end, const Place& place, TestWorld& world,
              GivenForSession& given, const TestSession& spec, const std::string& folder,
              bool has_ptr_in_dns)
      : desk_(desk),
        front_end_(front_end),
        world_(world),
        given_(given),
        spec_(spec),
        folder_(folder) {
    if (has_ptr_in_dns) skipped_ = "the client's name is looked up in the given DNS";
    if (given.facts.has("rcpt.exists")) skipped_ = "which recipients exist is the MTA's own matter";
    if (skipped_.empty()) open(place);
  }

  // The milter session may outlive the client's by a moment; the world must outlive both.
  ~MtaDialogue() override {
    client_.command("QUIT");
    client_.close();
    const auto end = std::chrono::steady_clock::now() + kSessionEnd;
    while (front_end_.open_sessions() > 0 && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    desk_.hand_over(nullptr);
    world_.services.sink = nullptr;
  }

  StepOutcome play(const std::string& command) override {
    skipped_.clear();
    if (equal_folded(command, "CONNECT")) return greeting_;
    const std::string word = fold(std::string_view(command).substr(0, command.find_first_of(" :")));
    if (word == "starttls" || word == "auth") {
      skipped_ = "the login and TLS of a client are given, not negotiated";
      return {};
    }
    if (word == "data") return data();
    if (word == "end") return content();
    if (word == "mail") take_sender(command);
    if (word == "rcpt" && recipient_.empty()) recipient_ = path_of(command);
    return seen(client_.command(command));
  }
  const std::string& wrong() const override { return wrong_; }
  const std::string& skipped() const override { return skipped_; }

 private:
  void open(const Place& place) {
    if (client_.connect(place.host, place.port).code == 0) {
      wrong_ = "no MTA answers at " + place.host + ":" + std::to_string(place.port);
      return;
    }
    if (client_.command("EHLO probe.example").text.find("XCLIENT") == std::string::npos) {
      wrong_ = "the MTA does not allow XCLIENT (Postfix: smtpd_authorized_xclient_hosts)";
      return;
    }
    give_what_xclient_lacks();
    desk_.hand_over(&world_);
    greeting_ = seen(client_.command(xclient(spec_.client)));
  }

  void give_what_xclient_lacks() {
    const auto give = [this](const char* fact, policy::Value value) {
      if (!given_.facts.has(fact)) given_.facts.set(fact, std::move(value));
    };
    give("server.port", policy::Value(spec_.client.port));
    give("tls.active", policy::Value(!spec_.client.tls.empty()));
    if (!spec_.client.tls.empty()) give("tls.version", policy::Value(spec_.client.tls));
    give("auth.method", spec_.client.auth.empty() ? policy::Value() : policy::Value("PLAIN"));
  }

  // What the client saw, with the last decision that was taken for it.
  StepOutcome seen(const MtaReply& reply) {
    StepOutcome outcome;
    outcome.code = reply.code;
    outcome.status = reply.status;
    outcome.text = reply.text;
    if (reply.code == 0) wrong_ = "the MTA gave no reply";
    for (engine::DecisionRecord& record : desk_.take_records()) {
      outcome.delay += record.verdict.delay;
      if (!outcome.record) {
        outcome.record = std::move(record);
        continue;
      }
      auto& would = outcome.record->would;
      record.would.insert(record.would.begin(), would.begin(), would.end());
      auto& trace = outcome.record->trace;
      record.trace.insert(record.trace.begin(), trace.begin(), trace.end());
      outcome.record = std::move(record);
    }
    // Postfix's words when it cannot reach its milter, Sendmail's have no number of their own.
    const bool unreachable = reply.code == 451 && reply.text.find("Service unavailable") == 0;
    if (!outcome.record && unreachable) wrong_ = "the MTA does not reach its milter: " + reply.text;
    if (!outcome.record && reply.code >= 400) skipped_ = "the MTA answers this itself: " + reply.text;
    if (!outcome.record) return outcome;
    const mail::Verdict& verdict = outcome.record->verdict;
    outcome.quarantine = verdict.action == mail::Action::Quarantine;
    outcome.discard = verdict.action == mail::Action::Discard;
    // The MTA refuses what the filter would have let pass: its own matter.
    if (reply.code >= 400 && verdict.reply.empty())
      skipped_ = "the MTA answers this itself: " + reply.text;
    return outcome;
  }

  // On libmilter a refusal at DATA is said behind the dot.
  StepOutcome data() {
    StepOutcome outcome = seen(client_.command("DATA"));
    if (outcome.code != 354) return outcome;
    const bool refused = outcome.record && !outcome.record->verdict.reply.empty();
    if (!refused) return outcome;
    auto record = std::move(outcome.record);
    StepOutcome at_dot = content();
    at_dot.record = std::move(record);
    return at_dot;
  }

  StepOutcome content() {
    const auto message =
        message_of(spec_.message, folder_, sender_, recipient_, world_.clock.now());
    if (!message) {
      wrong_ = message.error().what;
      return {};
    }
    std::string text;
    for (const mail::Header& header : message->headers)
      text += header.name + ": " + header.value + "\r\n";
    StepOutcome outcome = seen(client_.content(text + "\r\n" + message->body));
    recipient_.clear();
    if (outcome.record && outcome.code < 400)
      outcome.headers = delivered_headers(message->headers, outcome.record->verdict.edits);
    return outcome;
  }

  static std::string path_of(const std::string& command) {
    const std::size_t open = command.find('<'), close = command.find('>');
    return close == std::string::npos ? "" : command.substr(open, close - open + 1);
  }
  void take_sender(const std::string& command) {
    sender_ = path_of(command);
    recipient_.clear();
  }

  Desk& desk_;
  const milter::FrontEnd& front_end_;
  TestWorld& world_;
  GivenForSession& given_;
  const TestSession& spec_;
  const std::string& folder_;
  MtaClient client_;
  StepOutcome greeting_;
  std::string sender_, recipient_, wrong_, skipped_;
};

class MtaDialogues final : public DialogueSource {
 public:
  explicit MtaDialogues(Place place) : place_(std::move(place)) {}
  ~MtaDialogues() override {
    if (listener_) listener_->remove_path();
  }

  Result<void> start(const milter::ListenSpec& spec) {
    auto listener = milter::Listener::open(spec);
    if (!listener) return tl::unexpected(listener.error());
    listener_.emplace(std::move(*listener));
    front_end_ = milter::make_wire_engine({});
    return front_end_->start({{listener_->release(), spec.to_string(), {}, {}}}, desk_, {});
  }

  std::unique_ptr<TestDialogue> begin(TestWorld& world, GivenForSession& given,
                                      const TestSession& spec, const std::string& folder,
                                      bool has_ptr_in_dns) override {
    return std::make_unique<MtaDialogue>(desk_, *front_end_, place_, world, given, spec, folder,
                                         has_ptr_in_dns);
  }

 private:
  Place place_;
  Desk desk_;
  std::optional<milter::Listener> listener_;
  std::unique_ptr<milter::FrontEnd> front_end_;
};

}  // namespace

Result<std::unique_ptr<DialogueSource>> make_mta_dialogues(const MtaAddress& address) {
  const std::size_t colon = address.mta.rfind(':');
  Place place{address.mta.substr(0, colon), 0};
  const std::string port = colon == std::string::npos ? "" : address.mta.substr(colon + 1);
  std::from_chars(port.data(), port.data() + port.size(), place.port);
  if (place.port == 0) return config_error("--mta `" + address.mta + "`: write 127.0.0.1:2525");
  const auto spec = milter::parse_listen(address.listen);
  if (!spec) return config_error("--listen: " + spec.error().what);
  auto dialogues = std::make_unique<MtaDialogues>(std::move(place));
  if (const auto started = dialogues->start(*spec); !started)
    return tl::unexpected(started.error());
  return std::unique_ptr<DialogueSource>(std::move(dialogues));
}

}  // namespace sluice::app
