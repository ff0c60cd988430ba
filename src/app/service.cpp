#include "app/service.h"

#include <pwd.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/admin_server.h"
#include "app/callout_opening.h"
#include "app/control.h"
#include "app/counted_store.h"
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
#include "app/open_scanners.h"
#include "app/open_store.h"
#include "app/page_files.h"
#include "app/policy_loading.h"
#include "app/privacy_command.h"
#include "app/shadow_evidence.h"
#include "app/signals.h"
#include "app/state_commands.h"
#include "app/status.h"
#include "app/store_watch.h"
#include "app/open_metrics.h"
#include "backends/cares_resolver.h"
#include "backends/dns_lists.h"
#include "engine/ledger.h"
#include "engine/local_limiter.h"
#include "facts/geo_database.h"
#include "milter/libmilter_adapter.h"
#include "milter/wire_engine.h"
#include "policy/list_pool.h"

namespace sluice::app {
namespace {

constexpr Duration kDrain{25'000};  // below systemd's TimeoutStopSec
// Without an open session for so long, nobody is there any more: a connection that was taken an
// instant ago is no session before the MTA has said its first word.
constexpr Duration kQuiet{300};
constexpr Duration kFlush{5'000};
constexpr Duration kShown{500};  // a look at the history waits so long for what is decided just now
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
    if (front_end_) front_end_->end_sessions();
    if (history_) history_->flush(kFlush);
    if (store_) store_->flush(kFlush);
  }
  std::unique_ptr<engine::Session> begin() override;

 private:
  int open_policy();
  int open_backends();
  int open_history();
  int open_front_end();
  int open_control();
  std::string listening() const;
  int open_admin();
  void tick();
  void tell_turned_away();
  void watch_lists_of(const policy::ProgramPtr& program);
  void reload();
  void drain();
  ServiceStatus status() const;
  std::map<std::string, ControlCommand> commands();
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
  std::unique_ptr<backends::StateStore> store_;
  StoreWatch store_watch_;
  std::unique_ptr<CountedStore> counted_store_;  // what sessions use of it
  NearLimits near_limits_;
  std::unique_ptr<backends::CaresResolver> dns_;
  std::unique_ptr<backends::DnsLists> lists_;
  std::atomic<const policy::Program*> watched_{nullptr};  // whose lists are watched; compared only
  Scanners scanners_;
  std::unique_ptr<backends::EventLoop> loop_;  // of those who talk over sockets
  std::unique_ptr<backends::SmtpCallout> callout_;
  engine::Services services_;
  std::unique_ptr<milter::FrontEnd> front_end_;
  std::vector<milter::Listener> listeners_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<AdminServer> admin_;  // null: not asked for
  std::atomic<std::int64_t> ticked_{0};  // when the main thread was last seen to turn
  TimePoint started_ = clock_.now();
  TimePoint renewed_ = clock_.now();
  std::uint64_t turned_away_ = 0, not_allowed_ = 0;  // as last told
  bool draining_ = false;
};

int fail(int code, const std::string& what) {
  std::cerr << "sluice: " << what << "\n";
  return code;
}

int Service::open_policy() {
  const auto lists = std::make_shared<policy::ListPool>();
  LoadedPolicy loaded = load_program(config_, lists);
  warn_of_unanswered_facts(config_, loaded);
  std::cerr << loaded.diagnostics.render();
  if (!loaded.program) return fail(kConfig, summary(config_.policies.front(), loaded));
  generations_ = std::make_unique<Generations>(config_, std::move(loaded.program), lists);
  return kOk;
}

int Service::open_backends() {
  auto store = open_store(config_, clock_);
  if (!store) {
    const bool is_redis_mistake = config_.store == "redis" && store.error().cause == Cause::Config;
    return fail(is_redis_mistake ? kConfig : kUnavailable, "state: " + store.error().what);
  }
  store_ = std::move(*store);
  backends::CaresOptions options;
  options.servers = config_.dns_servers;
  options.timeout = config_.dns_timeout;
  options.cache_entries = static_cast<std::size_t>(config_.dns_cache);
  auto dns = backends::CaresResolver::start(options, clock_);
  if (!dns) return fail(kConfig, "dns: " + dns.error().what);
  dns_ = std::move(*dns);
  lists_ = std::make_unique<backends::DnsLists>(*dns_, clock_);
  watch_lists_of(generations_->current());
  lists_->tick();
  auto scanners = open_scanners(config_, clock_);
  if (!scanners) return fail(kUnavailable, "scanners: " + scanners.error().what);
  scanners_ = std::move(*scanners);
  scanners_.serve(services_);
  auto loop = backends::EventLoop::start("sluice-asks");
  if (!loop) return fail(kUnavailable, loop.error().what);
  loop_ = std::move(*loop);
  callout_ = open_callout(config_, *loop_, *dns_, clock_);
  auto country = facts::GeoDatabase::open(config_.geoip_country);
  auto asn = facts::GeoDatabase::open(config_.geoip_asn);
  if (!country) return fail(kConfig, "geoip: " + country.error().what);
  if (!asn) return fail(kConfig, "geoip: " + asn.error().what);

  services_.clock = &clock_;
  counted_store_ = std::make_unique<CountedStore>(*store_);
  services_.store = counted_store_.get();
  services_.dns = lists_.get();
  services_.callout = callout_.get();
  services_.sink = &sink_;
  services_.ledger = &ledger_;
  services_.local_store = &local_limiter_;
  services_.settings.trusted_relays = config_.trusted_relays;
  services_.settings.delimiters = config_.delimiter;
  services_.settings.fold_local_part = config_.fold_local_part;
  services_.settings.authserv_id = config_.authserv_id;
  services_.settings.organizational_domain = config_.dmarc_by_suffix_list
                                                 ? facts::OrganizationalDomain::PublicSuffixList
                                                 : facts::OrganizationalDomain::TreeWalk;
  services_.settings.country = std::move(*country);
  services_.settings.asn = std::move(*asn);
  services_.resources = config_.resources;
  services_.deadline = config_.deadline;
  services_.message_deadline = config_.message_deadline;
  services_.reply_id = config_.reply_id;
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

Result<std::unique_ptr<milter::FrontEnd>> make_front_end(const ServiceConfig& config) {
  if (config.engine == "libmilter")
    return milter::make_libmilter_front_end({config.failure_accepts});
  milter::WireOptions options;
  options.failure_accepts = config.failure_accepts;
  return milter::make_wire_engine(options);
}

Result<std::vector<uid_t>> user_ids(const milter::ListenSpec& spec) {
  std::vector<uid_t> ids;
  for (const std::string& name : spec.allow_users) {
    const passwd* user = ::getpwnam(name.c_str());
    if (user == nullptr)
      return config_error(spec.to_string() + ": allow_users names `" + name + "`, no user here");
    ids.push_back(user->pw_uid);
  }
  return ids;
}

int Service::open_front_end() {
  std::vector<milter::ListeningPlace> places;
  for (const milter::ListenSpec& spec : config_.listen) {
    auto listener = milter::Listener::open(spec);
    if (!listener)
      return fail(listener.error().cause == Cause::Config ? kConfig : kUnavailable,
                  "listen: " + listener.error().what);
    auto users = user_ids(spec);
    if (!users) return fail(kConfig, "listen: " + users.error().what);
    places.push_back({-1, listener->spec().to_string(), spec.allow_from, std::move(*users)});
    listeners_.push_back(std::move(*listener));
  }
  auto front_end = make_front_end(config_);
  if (!front_end) return fail(kInternal, front_end.error().what);
  front_end_ = std::move(*front_end);
  for (std::size_t i = 0; i < places.size(); ++i) places[i].fd = listeners_[i].release();
  const auto started = front_end_->start(std::move(places), *this, config_.resources);
  return started ? kOk : fail(kUnavailable, started.error().what);
}

std::string Service::listening() const {
  std::string all;
  for (const milter::Listener& listener : listeners_)
    all += (all.empty() ? "" : ", ") + listener.spec().to_string();
  return all;
}

int Service::open_control() {
  auto server = ControlServer::open(config_.control, commands());
  if (!server) return fail(kUnavailable, "control: " + server.error().what);
  control_ = std::move(*server);
  return kOk;
}

int Service::open_admin() {
  ticked_ = clock_.now().time_since_epoch().count();
  if (config_.admin_listen.empty()) return kOk;
  const auto place = milter::parse_listen(config_.admin_listen);
  if (!place) return fail(kConfig, "admin: " + place.error().what);
  auto server = AdminServer::open(*place, pages());
  if (!server)
    return fail(server.error().cause == Cause::Config ? kConfig : kUnavailable,
                "admin: " + server.error().what);
  admin_ = std::move(*server);
  return kOk;
}

int Service::start() {
  for (int (Service::*step)() : {&Service::open_policy, &Service::open_backends,
                                 &Service::open_history, &Service::open_front_end, &Service::open_control,
                                 &Service::open_admin})
    if (const int code = (this->*step)(); code != kOk) return code;
  const auto program = generations_->current();
  std::cerr << "sluice: policy " << program->policy() << "@" << program->version() << ", "
            << program->rules().size() << " rules, at " << listening() << " (engine " << config_.engine
            << "), store " << store_line(config_) << "\n";
  for (const milter::Listener& listener : listeners_) std::cerr << listener.attach_lines();
  log_info("serving " + listening() + " engine=" + config_.engine + " policy=" + program->policy() + "@" +
           program->version());
  return kOk;
}

std::unique_ptr<engine::Session> Service::begin() {
  if (front_end_ && front_end_->open_sessions() >= static_cast<std::size_t>(config_.sessions))
    return nullptr;
  auto program = generations_->current();
  watch_lists_of(program);
  return std::make_unique<engine::Session>(services_, std::move(program));
}

// Before a session begins with it: none shall ask a DNS list that nobody watches.
void Service::watch_lists_of(const policy::ProgramPtr& program) {
  if (watched_.exchange(program.get()) != program.get())
    lists_->watch(lists_of(*program, config_));
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
  for (const milter::PlaceCounts& place : front_end_->places()) {
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

// Once a second.
void Service::tick() {
  ticked_ = clock_.now().time_since_epoch().count();
  if (clock_.now() - renewed_ >= engine::kRenewEvery) {
    ledger_.renew(*store_);
    renewed_ = clock_.now();
  }
  if (const auto remark = store_watch_.look(store_->health(), clock_.now()))
    remark->is_warning ? log_warning(remark->text) : log_info(remark->text);
  generations_->reload_changed_files();
  tell_turned_away();
  watch_lists_of(generations_->current());
  lists_->tick();
  tell_list_changes(*lists_);
  if (!front_end_->has_failed()) notify_systemd("WATCHDOG=1");
}

// New connections go to the successor, or to the MTA's default action; those that are open get time
// to end.
void Service::drain() {
  draining_ = true;
  notify_systemd("STOPPING=1");
  for (const milter::Listener& listener : listeners_) listener.remove_path();
  front_end_->stop_accepting();
  log_info("stopping: " + std::to_string(front_end_->open_sessions()) + " sessions open");
  const TimePoint end = clock_.now() + kDrain;
  TimePoint last_open = clock_.now();
  for (TimePoint now = last_open; now < end && now - last_open < kQuiet; now = clock_.now()) {
    if (front_end_->open_sessions() > 0) last_open = now;
    ledger_.renew(*store_);
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
    if (front_end_->has_failed()) return fail(kInternal, "the milter front end ended by itself");
  }
}

ServiceStatus Service::status() const {
  ServiceStatus status;
  const auto program = generations_->current();
  status.policy = program->policy() + (program->version().empty() ? "" : "@" + program->version()) + "#" +
                  program->hash();
  status.rules = program->rules().size();
  status.listening = listening();
  status.engine = config_.engine;
  status.uptime = clock_.now() - started_;
  status.open_sessions = front_end_->open_sessions();
  status.sessions_served = front_end_->sessions_served();
  status.sessions_broken = front_end_->broken_sessions();
  status.places = front_end_->places();
  status.reload = generations_->state();
  status.store = store_->health();
  status.store_degraded = store_watch_.line();
  status.store_degraded_minutes = store_watch_.report().minutes;
  status.dns = dns_->counts();
  status.lists = lists_->health();
  status.scanners = scanners_.health();
  if (callout_) {
    status.callout = callout_->counts();
    status.callout_recent = callout_->recent();
  }
  status.draining = draining_;
  return status;
}

AdminPage Service::metrics() {
  const auto program = generations_->current();
  const ServiceStatus now = status();
  const auto near = near_limits_.look(*store_, *program, clock_.now());
  std::optional<History::Report> history;
  if (history_) history = history_->report();
  return {200, OpenMetrics::kContentType,
          render_metrics({now, counters_, *counted_store_, config_.store, history, near,
                          program->policy(), program->version(), program->hash()})};
}

// The main thread turns and the front end runs.
AdminPage Service::health() {
  const Duration still{clock_.now().time_since_epoch().count() - ticked_};
  const bool turns = still < kStandstill || draining_;
  const bool ok = turns && !front_end_->has_failed();
  return {ok ? 200u : 503u, "text/plain; charset=utf-8", ok ? "ok\n" : "the service stands still\n"};
}

// Sends mail here: not while it stops. A store that is away is no reason: limits go on locally.
AdminPage Service::readiness() {
  AdminPage page = health();
  if (page.status == 200 && draining_) page = {503, page.type, "stopping\n"};
  if (page.status == 200 && !store_->health().available) page.body = "ok, the store is away\n";
  return page;
}

ControlReply Service::near_limits() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const NearLimit& near : near_limits_.look(*store_, *generations_->current(), clock_.now()))
    list.push_back({{"limit", near.limit},
                    {"name", near.name},
                    {"used", near.used},
                    {"ceiling", near.ceiling},
                    {"period", render_duration(near.period)},
                    {"ratio", near.ratio()}});
  return {kOk, {}, list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

AdminPages Service::pages() {
  AdminPages all;
  const auto file = [](const char* type, std::string_view (*text)()) {
    return [type, text](const AdminArguments&) { return AdminPage{200, type, std::string(text())}; };
  };
  all["/"] = file("text/html; charset=utf-8", page_html);
  all["/page.css"] = file("text/css; charset=utf-8", page_css);
  all["/page.js"] = file("text/javascript; charset=utf-8", page_js);
  all["/metrics"] = [this](const AdminArguments&) { return metrics(); };
  all["/healthz"] = [this](const AdminArguments&) { return health(); };
  all["/readyz"] = [this](const AdminArguments&) { return readiness(); };
  // What only shows, as the control socket answers it.
  const auto known = commands();
  for (const char* name : {"status", "history", "why", "top", "series", "shadow", "near"}) {
    const ControlCommand command = known.at(name);
    all[std::string("/api/") + name] = [command](const AdminArguments& arguments) {
      const ControlReply reply = command(nlohmann::json(arguments));
      if (reply.exit == kOk) return AdminPage{200, "application/json", reply.json};
      const unsigned status = reply.exit == kUsage ? 400 : reply.exit == kNoInput ? 404 : 503;
      return AdminPage{status, "application/json",
                       nlohmann::json{{"error", reply.text}}.dump(
                           -1, ' ', false, nlohmann::json::error_handler_t::replace)};
    };
  }
  return all;
}

std::map<std::string, ControlCommand> Service::commands() {
  using nlohmann::json;
  std::map<std::string, ControlCommand> all;
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
            json{{"error", result.error().what}}.dump()};
  };
  const auto on_state = [this](ControlReply (*command)(const StatePlaces&, const json&)) {
    return [this, command](const json& arguments) {
      return command({*store_, ledger_, generations_->current(), clock_.now()}, arguments);
    };
  };
  all["limits"] = on_state(limits_command);
  all["greylist"] = on_state(greylist_command);
  all["list"] = on_state(list_command);
  const auto on_history = [this](ControlReply (*command)(const HistoryPlaces&, const json&)) {
    return [this, command](const json& arguments) -> ControlReply {
      if (!history_) return {kUnavailable, "no history is kept: see the log of the service\n", "{}"};
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
        {history_.get(), {*store_, ledger_, generations_->current(), clock_.now()}}, arguments);
  };
  return all;
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
  auto* service = new Service(config);
  int code = service->start();
  if (code == kOk) code = service->serve();
  service->close();
  flush_log();
  std::cerr.flush();
  ::_exit(code);
}

}  // namespace sluice::app
