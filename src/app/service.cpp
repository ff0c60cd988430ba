#include "app/service.h"

#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "app/admin_server.h"
#include "app/attachment.h"
#include "app/control.h"
#include "app/control_arguments.h"
#include "app/counters.h"
#include "app/decision_log.h"
#include "app/dns_list_watch.h"
#include "app/generation.h"
#include "app/history.h"
#include "app/history_commands.h"
#include "app/logging.h"
#include "app/metrics.h"
#include "app/near_limits.h"
#include "app/notify.h"
#include "app/open_metrics.h"
#include "app/open_store.h"
#include "app/page_api.h"
#include "app/policy_loading.h"
#include "app/privacy_command.h"
#include "app/service_backends.h"
#include "app/shadow_evidence.h"
#include "app/signals.h"
#include "app/state_commands.h"
#include "app/status.h"
#include "app/store_watch.h"
#include "engine/ledger.h"
#include "engine/local_limiter.h"
#include "policy/list_pool.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace sluice::app {
namespace {

constexpr Duration kDrain{25'000};  // below systemd's TimeoutStopSec
// Without an open session for so long, nobody is there any more: a connection that was taken an
// instant ago is no session before the MTA has said its first word.
constexpr Duration kQuiet{300};
constexpr Duration kFlush{5'000};
constexpr Duration kShown{5'000};  // a look at the history waits so long for what is decided just now: a slow disk
constexpr Duration kStandstill{15'000};  // of the main thread: not healthy
constexpr int kMallocArenas = 2;
constexpr int kTickMilliseconds = 1'000;

class Service final : public milter::SessionSource {
 public:
  explicit Service(const ServiceConfig& config)
      : config_(config),
        decision_log_(config.log_format == "json"),
        sink_({&counters_, &decision_log_, &shadow_}) {}

  // 0, or the exit code after the reason was printed.
  int start();
  int serve();
  // Ends what is still open and writes what is not yet on disk. Sessions that libmilter still holds
  // find the services in place, only idle.
  void close() {
    admin_.reset();
    control_.reset();
    if (attachment_.is_open()) attachment_->end_sessions();
    if (history_) history_->flush(kFlush);
    if (backends_.store) backends_.store->flush(kFlush);
  }
  std::unique_ptr<engine::Session> begin() override;

 private:
  int open_policy();
  int open_services();
  int open_history();
  int attach();
  int open_control();
  int open_admin();
  void tick();
  void tell_turned_away();
  void tell_lost_sockets();
  void watch_lists_of(const policy::ProgramPtr& program);
  void reload();
  void drain();
  ServiceStatus status() const;
  ControlCommands commands();
  AdminPages pages();
  AdminPage metrics();
  AdminPage health();
  AdminPage readiness();
  ControlReply near_limits();

  const ServiceConfig& config_;
  SystemClock clock_;
  Counters counters_;
  DecisionLog decision_log_;
  ShadowEvidence shadow_;
  DecisionFanout sink_;
  engine::Ledger ledger_;
  engine::LocalLimiter local_limiter_{clock_};
  std::unique_ptr<History> history_;  // null: it cannot be kept
  std::unique_ptr<Generations> generations_;
  Backends backends_;
  StoreWatch store_watch_{config_.store == "embedded"};
  NearLimits near_limits_;
  FollowedProgram watched_;  // whose lists are watched
  engine::Services services_;
  Attachment attachment_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<AdminServer> admin_;  // null: not asked for
  std::atomic<std::int64_t> ticked_{0};  // when the main thread was last seen to turn
  TimePoint started_ = clock_.now();
  TimePoint renewed_ = clock_.now();
  std::set<std::string> lost_sockets_;  // told of
  std::uint64_t turned_away_ = 0, not_allowed_ = 0;  // as last told
  bool draining_ = false;
};

int fail(int code, const std::string& what) {
  std::cerr << "sluice: " << what << "\n";
  return code;
}

int fail(const Error& error) {
  const int code = error.cause == Cause::Config      ? kConfig
                   : error.cause == Cause::Permanent ? kInternal
                                                     : kUnavailable;
  return fail(code, error.what);
}

int Service::open_policy() {
  const auto lists = std::make_shared<policy::ListPool>();
  LoadedPolicy loaded = load_program(config_, lists);
  warn_of_unanswered_facts(config_, loaded);
  std::cerr << loaded.diagnostics.render();
  if (!loaded.program) return fail(kConfig, summary(config_.policies.front(), loaded));
  generations_ = std::make_unique<Generations>(config_, std::move(loaded), lists);
  return kOk;
}

int Service::open_services() {
  auto opened = open_backends(config_, clock_);
  if (!opened) return fail(opened.error());
  backends_ = std::move(*opened);
  watch_lists_of(generations_->current());
  backends_.lists->tick();
  backends_.serve(services_);
  apply_settings(config_, services_);
  services_.clock = &clock_;
  services_.sink = &sink_;
  services_.ledger = &ledger_;
  services_.local_store = &local_limiter_;
  return kOk;
}

// Without a history mail goes on; the commands that need it say why they cannot.
int Service::open_history() {
  HistoryOptions options;
  options.folder = config_.state;
  options.keep = config_.history_keep;
  options.max_bytes = config_.history_size;
  options.redact = config_.history_redact;
  auto history = History::open(options, clock_, [](const std::string& what) { log_warning(what); });
  if (!history) {
    log_warning("history: " + history.error().what + "; decisions are not kept");
    return kOk;
  }
  history_ = std::move(*history);
  sink_.add(*history_);
  services_.trace = config_.history_trace == "all";
  services_.trace_answers = config_.history_trace == "answers";
  return kOk;
}

int Service::attach() {
  auto opened = Attachment::open(config_);
  if (!opened) return fail(opened.error());
  attachment_ = std::move(*opened);
  const auto serves = attachment_.serve(*this, config_.resources);
  return serves ? kOk : fail(serves.error());
}

int Service::open_control() {
  auto server = ControlServer::open(config_.control, commands());
  if (!server) return fail({server.error().cause, "control: " + server.error().what});
  control_ = std::move(*server);
  return kOk;
}

int Service::open_admin() {
  ticked_ = clock_.now().time_since_epoch().count();
  if (config_.admin_listen.empty()) return kOk;
  const auto place = milter::parse_listen(config_.admin_listen);
  if (!place) return fail(kConfig, "admin: " + place.error().what);
  auto server = AdminServer::open(*place, pages());
  if (!server) return fail({server.error().cause, "admin: " + server.error().what});
  admin_ = std::move(*server);
  return kOk;
}

int Service::start() {
  for (int (Service::*step)() : {&Service::open_policy, &Service::open_services,
                                 &Service::open_history, &Service::attach, &Service::open_control,
                                 &Service::open_admin})
    if (const int code = (this->*step)(); code != kOk) return code;
  const auto program = generations_->current();
  std::cerr << "sluice: policy " << program->policy() << "@" << program->version() << ", "
            << program->rules().size() << " rules, at " << attachment_.at() << " (engine " << config_.engine
            << "), store " << store_line(config_) << "\n";
  for (const milter::Listener& listener : attachment_.listeners()) std::cerr << listener.attach_lines();
  log_info("serving " + attachment_.at() + " engine=" + config_.engine + " policy=" + program->policy() + "@" +
           program->version());
  return kOk;
}

std::unique_ptr<engine::Session> Service::begin() {
  if (attachment_.is_open() && attachment_->open_sessions() >= static_cast<std::size_t>(config_.sessions))
    return nullptr;
  auto program = generations_->current();
  watch_lists_of(program);
  return std::make_unique<engine::Session>(services_, std::move(program));
}

// Before a session begins with it: none shall ask a DNS list that nobody watches.
void Service::watch_lists_of(const policy::ProgramPtr& program) {
  watched_.follow(program, [this](const policy::Program& followed) {
    backends_.lists->watch(lists_of(followed, config_));
  });
}

void Service::reload() {
  if (const auto result = generations_->reload()) {
    log_info("reloaded: " + *result);
  } else {
    log_error("not reloaded, the old policy stays:\n" + result.error().what);
  }
}

// At most once a second.
void Service::tell_turned_away() {
  std::uint64_t away = 0, strangers = 0;
  for (const milter::PlaceCounts& place : attachment_->places()) {
    away += place.turned_away;
    strangers += place.not_allowed;
  }
  if (away > turned_away_)
    log_warning(std::to_string(away - turned_away_) +
                " connections were turned away: no more descriptors (LimitNOFILE=)");
  if (strangers > not_allowed_)
    log_warning(std::to_string(strangers - not_allowed_) +
                " connections came from where none is allowed (allow_from, allow_users)");
  turned_away_ = away;
  not_allowed_ = strangers;
}

// Once for each: another service of the same path, or somebody who tidied up.
void Service::tell_lost_sockets() {
  for (const milter::Listener& listener : attachment_.listeners()) {
    const std::string at = listener.spec().to_string();
    if (listener.is_at_its_path() || !lost_sockets_.insert(at).second) continue;
    log_warning(at + " is gone or another process's: no MTA finds this service there until it is restarted");
  }
}

// Once a second.
void Service::tick() {
  ticked_ = clock_.now().time_since_epoch().count();
  if (clock_.now() - renewed_ >= engine::kRenewEvery) {
    ledger_.renew(*backends_.store);
    renewed_ = clock_.now();
  }
  if (const auto remark = store_watch_.look(backends_.store->health(), clock_.now()))
    remark->is_warning ? log_warning(remark->text) : log_info(remark->text);
  generations_->reload_changed_files();
  tell_turned_away();
  tell_lost_sockets();
  watch_lists_of(generations_->current());
  backends_.lists->tick();
  tell_list_changes(*backends_.lists);
  if (!attachment_->has_failed()) notify_systemd("WATCHDOG=1");
}

// New connections go to the successor, or to the MTA's default action; those that are open get time
// to end.
void Service::drain() {
  draining_ = true;
  notify_systemd("STOPPING=1");
  for (const milter::Listener& listener : attachment_.listeners()) listener.remove_path();
  attachment_->stop_accepting();
  log_info("stopping: " + std::to_string(attachment_->open_sessions()) + " sessions open");
  const TimePoint end = clock_.now() + kDrain;
  TimePoint last_open = clock_.now();
  for (TimePoint now = last_open; now < end && now - last_open < kQuiet; now = clock_.now()) {
    if (attachment_->open_sessions() > 0) last_open = now;
    ledger_.renew(*backends_.store);
    if (next_signal(50) == Signal::Stop) break;  // asked twice
  }
}

int Service::serve() {
  take_signals();
  notify_systemd("READY=1");
  for (;;) {
    switch (next_signal(kTickMilliseconds)) {
      case Signal::Reload:
        reload();
        break;
      case Signal::ReopenLog:
        reopen_log();
        break;
      case Signal::Stop:
        drain();
        return kOk;
      case Signal::None:
        break;
    }
    tick();
    if (attachment_->has_failed()) return fail(kInternal, "the milter front end ended by itself");
  }
}

ServiceStatus Service::status() const {
  ServiceStatus status;
  const auto program = generations_->current();
  status.policy = program->policy() + (program->version().empty() ? "" : "@" + program->version()) + "#" +
                  program->hash();
  status.rules = program->rules().size();
  status.listening = attachment_.at();
  status.addresses = attachment_.addresses();
  status.engine = config_.engine;
  status.uptime = clock_.now() - started_;
  status.open_sessions = attachment_->open_sessions();
  status.sessions_served = attachment_->sessions_served();
  status.sessions_broken = attachment_->broken_sessions();
  status.places = attachment_->places();
  status.reload = generations_->state();
  status.store = backends_.store->health();
  status.store_degraded = store_watch_.line();
  status.store_degraded_minutes = store_watch_.report().minutes;
  status.dns = backends_.dns->counts();
  status.lists = backends_.lists->health();
  status.scanners = backends_.scanners.health();
  if (backends_.callout) {
    status.callout = backends_.callout->counts();
    status.callout_recent = backends_.callout->recent();
  }
  status.draining = draining_;
  return status;
}

AdminPage Service::metrics() {
  const auto program = generations_->current();
  const ServiceStatus now = status();
  const auto near = near_limits_.look(*backends_.store, *program, clock_.now());
  std::optional<History::Report> history;
  if (history_) history = history_->report();
  return {200, OpenMetrics::kContentType,
          render_metrics({now, counters_, *backends_.counted_store, config_.store, history, near,
                          program->policy(), program->version(), program->hash()})};
}

// The main thread turns and the front end runs.
AdminPage Service::health() {
  const Duration still{clock_.now().time_since_epoch().count() - ticked_};
  const bool turns = still < kStandstill || draining_;
  const bool ok = turns && !attachment_->has_failed();
  return {ok ? 200u : 503u, "text/plain; charset=utf-8", ok ? "ok\n" : "the service stands still\n"};
}

// Sends mail here: not while it stops. A store that is away is no reason: limits go on locally.
AdminPage Service::readiness() {
  AdminPage page = health();
  if (page.status == 200 && draining_) page = {503, page.type, "stopping\n"};
  if (page.status == 200 && !backends_.store->health().available) page.body = "ok, the store is away\n";
  return page;
}

ControlReply Service::near_limits() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const NearLimit& near : near_limits_.look(*backends_.store, *generations_->current(), clock_.now()))
    list.push_back({{"limit", near.limit},
                    {"name", near.name},
                    {"used", near.used},
                    {"ceiling", near.ceiling},
                    {"period", render_duration(near.period)},
                    {"ratio", near.ratio()}});
  return {kOk, {}, dump(list)};
}

AdminPages Service::pages() {
  AdminPages all = page_with(commands());
  all["/metrics"] = [this](const AdminArguments&) { return metrics(); };
  all["/healthz"] = [this](const AdminArguments&) { return health(); };
  all["/readyz"] = [this](const AdminArguments&) { return readiness(); };
  return all;
}

ControlCommands Service::commands() {
  using nlohmann::json;
  ControlCommands all;
  all["status"] = [this](const json&) { return render_status(status(), counters_); };
  all["shadow"] = [this](const json&) {
    return render_shadow(shadow_.snapshot(), shadow_rules(*generations_->current()));
  };
  all["reload"] = [this](const json&) -> ControlReply {
    const auto result = generations_->reload();
    if (result) {
      log_info("reloaded: " + *result);
      return {kOk, *result + "\n", json{{"generation", generations_->state().generation}}.dump()};
    }
    log_error("not reloaded, the old policy stays:\n" + result.error().what);
    return {kConfig, result.error().what + "\nnot reloaded, the old policy stays\n",
            dump({{"error", result.error().what}})};
  };
  const auto on_state = [this](ControlReply (*command)(const StatePlaces&, const json&)) {
    return [this, command](const json& arguments) {
      return command({*backends_.store, ledger_, generations_->current(), clock_.now()}, arguments);
    };
  };
  all["limits"] = on_state(limits_command);
  all["greylist"] = on_state(greylist_command);
  all["list"] = on_state(list_command);
  const auto on_history = [this](ControlReply (*command)(const HistoryPlaces&, const json&)) {
    return [this, command](const json& arguments) -> ControlReply {
      if (!history_) return refusal(kUnavailable, "no history is kept: see the log of the service");
      history_->flush(kShown);
      return command({*history_, generations_->current(), clock_.now()}, arguments);
    };
  };
  all["why"] = on_history(why_command);
  all["history"] = on_history(history_command);
  all["top"] = on_history(top_command);
  all["series"] = on_history(series_command);
  all["near"] = [this](const json&) { return near_limits(); };
  all["privacy"] = [this](const json& arguments) {
    return privacy_command(
        {history_.get(), {*backends_.store, ledger_, generations_->current(), clock_.now()}}, arguments);
  };
  return all;
}

// _exit looks for nothing: in a build with AddressSanitizer what nobody points to is told here.
void tell_leaks() {
#if defined(__SANITIZE_ADDRESS__)
  __lsan_do_leak_check();
#endif
}

}  // namespace

int run_service(const ServiceConfig& config) {
  // libmilter's many threads would each get a heap of their own, and what one allocates and the
  // history's thread frees stays with it: 10 MB more under a flood of refusals, and nothing quicker.
  ::mallopt(M_ARENA_MAX, kMallocArenas);
  block_signals();
  if (const auto opened = open_log({config.log_to, config.log_level}); !opened)
    return fail(kConfig, "log: " + opened.error().what);
  // Never destroyed while libmilter's threads may still look at it: the process ends with _exit
  // after the store is closed.
  static Service* const service = new Service(config);
  int code = service->start();
  if (code == kOk) code = service->serve();
  service->close();
  flush_log();
  std::cerr.flush();
  tell_leaks();
  ::_exit(code);
}

}  // namespace sluice::app
