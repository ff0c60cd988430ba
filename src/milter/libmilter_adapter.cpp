#include "milter/libmilter_adapter.h"

#include <fcntl.h>
#include <libmilter/mfapi.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "milter/macros.h"
#include "milter/replies.h"
#include "milter/socket_address.h"
#include "milter/steps.h"

namespace sluice::milter {
namespace {

constexpr Duration kLongestAnswer{600'000};  // whatever the configuration says
constexpr Duration kProgressEvery{
    10'000};  // tells the MTA at the end of a message that we are still alive
constexpr std::size_t kMaxHeaderNames = 10'000;

// One milter connection.
struct Link {
  std::unique_ptr<engine::Session> session;
  bool leading_space = false;  // header values keep the blank behind the colon
  std::optional<mail::Verdict> held_at_data;
  std::map<std::string, int> header_counts;  // of this message, by folded name
};

class Libmilter;
std::atomic<Libmilter*> the_adapter{nullptr};

class Libmilter final : public FrontEnd {
 public:
  explicit Libmilter(LibmilterOptions options) : options_(options) {}
  ~Libmilter() override;
  Result<void> start(std::vector<ListeningPlace> places, SessionSource& source,
                     const engine::Resources& resources) override;
  void stop_accepting() override;
  // libmilter gives no way to its sessions: they end with the process.
  void end_sessions() override {}
  std::size_t open_sessions() const override { return open_; }
  std::uint64_t sessions_served() const override { return served_; }
  std::uint64_t broken_sessions() const override { return 0; }
  std::vector<PlaceCounts> places() const override { return {{at_, open_, served_, 0, 0}}; }
  bool has_failed() const override { return ended_; }

  Link* open_link();
  void close_link(Link* link);
  // What an internal error answers.
  sfsistat failure() const { return options_.failure_accepts ? SMFIS_CONTINUE : SMFIS_TEMPFAIL; }
  sfsistat answer(SMFICTX* context, Link& link, engine::Progress progress, bool at_end);
  // What a refusal at DATA left to say, once.
  std::optional<mail::Verdict> take_held(Link& link);
  std::size_t argument_bytes() const { return resources_.argument_bytes; }
  bool is_over_tcp() const { return over_tcp_; }

 private:
  mail::Verdict wait(SMFICTX* context, engine::Session& session, engine::Progress progress,
                     bool at_end);
  void sleep(Duration delay);

  LibmilterOptions options_;
  engine::Resources resources_;
  SessionSource* source_ = nullptr;
  int fd_ = -1;
  std::string at_;
  bool over_tcp_ = false;
  std::atomic<std::size_t> open_{0}, delayed_{0};
  std::atomic<std::uint64_t> served_{0};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

class ContextMacros final : public MacroSource {
 public:
  explicit ContextMacros(SMFICTX* context) : context_(context) {}
  // libmilter takes a char* that it does not change.
  const char* macro(const char* name) const override {
    return smfi_getsymval(context_, const_cast<char*>(name));
  }

 private:
  SMFICTX* context_;
};

// The last net: no exception of one session reaches libmilter's C code or another session.
template <class Body>
sfsistat guard(SMFICTX* context, Body body) {
  Libmilter* adapter = the_adapter;
  auto* link = static_cast<Link*>(smfi_getpriv(context));
  if (adapter == nullptr || link == nullptr) return SMFIS_TEMPFAIL;
  try {
    return body(*adapter, *link);
  } catch (...) {
    return adapter->failure();
  }
}

sfsistat say(SMFICTX* context, const mail::Verdict& verdict) {
  const WireReply wire = to_wire(verdict);
  static constexpr sfsistat kDispositions[] = {SMFIS_CONTINUE, SMFIS_REJECT, SMFIS_TEMPFAIL,
                                               SMFIS_DISCARD};
  if (!wire.code.empty()) {
    const char* line[mail::kMaxReplyLines] = {};
    for (std::size_t i = 0; i < wire.lines.size() && i < mail::kMaxReplyLines; ++i)
      line[i] = wire.lines[i].c_str();
    static_assert(mail::kMaxReplyLines == 10);
    const char* end = nullptr;
    smfi_setmlreply(context, wire.code.c_str(), wire.status.c_str(), line[0], line[1], line[2],
                    line[3], line[4], line[5], line[6], line[7], line[8], line[9], end);
  }
  return kDispositions[static_cast<std::size_t>(wire.disposition)];
}

char* mutable_text(const std::string& text) { return const_cast<char*>(text.c_str()); }

// One edit of the message, at its end.
void carry_out(SMFICTX* context, const Link& link, const mail::Edit& edit) {
  using Kind = mail::Edit::Kind;
  const std::string value = link.leading_space ? " " + edit.value : edit.value;
  const auto count = link.header_counts.find(fold(edit.name));
  const int present = count != link.header_counts.end() ? count->second : 0;
  switch (edit.kind) {
    case Kind::AddHeader:
      smfi_insheader(context, kBehindAllFields, mutable_text(edit.name), mutable_text(value));
      break;
    case Kind::InsertHeader:
      smfi_insheader(context, edit.index, mutable_text(edit.name), mutable_text(value));
      break;
    case Kind::SetHeader:
      smfi_chgheader(context, mutable_text(edit.name), std::max(1, edit.index),
                     mutable_text(value));
      break;
    case Kind::RemoveHeader:
      if (edit.index > 0) {
        smfi_chgheader(context, mutable_text(edit.name), edit.index, nullptr);
      } else {  // from the highest down: removing one shifts those behind it on Postfix
        for (int i = present; i >= 1; --i)
          smfi_chgheader(context, mutable_text(edit.name), i, nullptr);
      }
      break;
    case Kind::AddRecipient:
      smfi_addrcpt(context, mutable_text(edit.name));
      break;
    case Kind::RemoveRecipient:
      smfi_delrcpt(context, mutable_text(edit.name));
      break;
    case Kind::SetSender:
      smfi_chgfrom(context, mutable_text(edit.name), nullptr);
      break;
    case Kind::Footer:  // the value is the whole new body
      smfi_replacebody(context, reinterpret_cast<unsigned char*>(mutable_text(edit.value)),
                       static_cast<int>(edit.value.size()));
      break;
    case Kind::Quarantine:
      smfi_quarantine(context, mutable_text(edit.name));
      break;
  }
}

// What is left of the deadline of the open event, by a clock that nobody can set back.
class Patience {
 public:
  explicit Patience(const engine::Session& session)
      : end_(std::chrono::steady_clock::now() +
             std::clamp(session.deadline() - SystemClock().now(), Duration{0}, kLongestAnswer)) {}
  Duration left() const {
    const auto left = std::chrono::ceil<Duration>(end_ - std::chrono::steady_clock::now());
    return std::max(Duration{0}, left);
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

mail::Verdict Libmilter::wait(SMFICTX* context, engine::Session& session, engine::Progress progress,
                              bool at_end) {
  const Patience patience(session);
  while (!progress) {
    const Duration left = patience.left();
    const bool complete = session.round().wait(at_end ? std::min(left, kProgressEvery) : left);
    const bool late = !complete && patience.left() == Duration{0};
    // Only at the end of a message: elsewhere Sendmail takes it for an error.
    if (!complete && !late) smfi_progress(context);
    if (complete || late) progress = session.resume(late);
  }
  return std::move(progress->verdict);
}

// A delay holds a thread; beyond the cap there is none.
void Libmilter::sleep(Duration delay) {
  if (delay <= Duration{0}) return;
  if (++delayed_ <= resources_.delayed_sessions)
    std::this_thread::sleep_for(std::min(delay, resources_.delay));
  --delayed_;
}

sfsistat Libmilter::answer(SMFICTX* context, Link& link, engine::Progress progress, bool at_end) {
  const mail::Verdict verdict = wait(context, *link.session, std::move(progress), at_end);
  sleep(verdict.delay);
  if (at_end &&
      (verdict.action == mail::Action::Continue || verdict.action == mail::Action::Quarantine))
    for (const mail::Edit& edit : verdict.edits) carry_out(context, link, edit);
  return say(context, verdict);
}

std::optional<mail::Verdict> Libmilter::take_held(Link& link) {
  auto held = std::move(link.held_at_data);
  link.held_at_data.reset();
  if (held) link.session->abort();
  return held;
}

Link* Libmilter::open_link() {
  auto session = source_->begin();
  if (!session) return nullptr;
  auto link = std::make_unique<Link>();
  link->session = std::move(session);
  ++open_;
  ++served_;
  return link.release();
}

void Libmilter::close_link(Link* link) {
  if (link == nullptr) return;
  delete link;
  --open_;
}

// Arguments are cut: no rule needs more, and no log line should carry more.
std::string bounded(const Libmilter& adapter, const char* text) {
  return text != nullptr ? std::string(text, strnlen(text, adapter.argument_bytes()))
                         : std::string();
}

std::vector<std::string> parameters(const Libmilter& adapter, char** argv) {
  constexpr std::size_t kMaxParameters = 100;
  std::vector<std::string> list;
  for (std::size_t i = 1; argv[0] != nullptr && argv[i] != nullptr && list.size() < kMaxParameters;
       ++i)
    list.push_back(bounded(adapter, argv[i]));
  return list;
}

unsigned long unneeded_steps(const Steps& steps) {
  unsigned long declined = 0;
  if (!steps.data) declined |= SMFIP_NODATA;
  if (!steps.headers) declined |= SMFIP_NOHDRS | SMFIP_NOEOH;
  if (!steps.body) declined |= SMFIP_NOBODY;
  if (!steps.unknown_commands) declined |= SMFIP_NOUNKNOWN;
  return declined;
}

sfsistat on_negotiate(SMFICTX* context, unsigned long offered_actions, unsigned long offered_steps,
                      unsigned long, unsigned long, unsigned long* actions, unsigned long* steps,
                      unsigned long*, unsigned long*) {
  Libmilter* adapter = the_adapter;
  if (adapter == nullptr) return SMFIS_REJECT;
  try {
    Link* link = adapter->open_link();
    if (link == nullptr) return SMFIS_REJECT;  // the MTA takes its default action
    smfi_setpriv(context, link);
    constexpr unsigned long kWanted = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY |
                                      SMFIF_ADDRCPT | SMFIF_DELRCPT | SMFIF_QUARANTINE |
                                      SMFIF_CHGFROM | SMFIF_SETSYMLIST;
    *actions = offered_actions & kWanted;
    Steps needed = steps_of(*link->session);
    // Postfix sends the macros of DATA also when the step is declined. Over TCP its next command
    // then waits for the acknowledgement of a packet that nobody answers: 40 ms in each message.
    needed.data = needed.data || adapter->is_over_tcp();
    constexpr unsigned long kHelpful =
        SMFIP_RCPT_REJ | SMFIP_NR_HDR | SMFIP_NR_BODY | SMFIP_HDR_LEADSPC;
    *steps = offered_steps & (unneeded_steps(needed) | kHelpful);
    link->leading_space = (*steps & SMFIP_HDR_LEADSPC) != 0;
    if ((*actions & SMFIF_SETSYMLIST) != 0) {
      struct Row {
        int where;
        const char* macros;
      };
      static constexpr Row kLists[] = {
          {SMFIM_CONNECT, MacroLists::kConnect}, {SMFIM_HELO, MacroLists::kHelo},
          {SMFIM_ENVFROM, MacroLists::kMail},    {SMFIM_ENVRCPT, MacroLists::kRcpt},
          {SMFIM_DATA, MacroLists::kData},       {SMFIM_EOH, MacroLists::kEndOfHeaders},
          {SMFIM_EOM, MacroLists::kEndOfMessage}};
      for (const Row& row : kLists)
        smfi_setsymlist(context, row.where, const_cast<char*>(row.macros));
    }
    return SMFIS_CONTINUE;
  } catch (...) {
    return SMFIS_REJECT;
  }
}

// After a `K` (quit, a new connection follows on the same socket) libmilter has called on_close and
// does not negotiate again: the new session keeps the steps of the old one, and HDR_LEADSPC, which
// every MTA that sends `K` offers.
void reopen(SMFICTX* context) {
  Libmilter* adapter = the_adapter;
  if (adapter == nullptr || smfi_getpriv(context) != nullptr) return;
  try {
    Link* link = adapter->open_link();
    if (link == nullptr) return;  // at the cap of sessions: the guard answers
    link->leading_space = true;
    smfi_setpriv(context, link);
  } catch (...) {
  }
}

sfsistat on_connect(SMFICTX* context, char* host, _SOCK_ADDR* address) {
  reopen(context);
  return guard(context, [&](Libmilter& adapter, Link& link) {
    mail::Connection connection;
    connection.client_ip = address_of(address);
    connection.client_name = bounded(adapter, host);
    if (address != nullptr && address->sa_family == AF_INET)
      connection.client_port = ntohs(reinterpret_cast<sockaddr_in*>(address)->sin_port);
    if (address != nullptr && address->sa_family == AF_INET6)
      connection.client_port = ntohs(reinterpret_cast<sockaddr_in6*>(address)->sin6_port);
    fill_connection(ContextMacros(context), connection);
    return adapter.answer(context, link, link.session->connect(std::move(connection)), false);
  });
}

sfsistat on_helo(SMFICTX* context, char* name) {
  return guard(context, [&](Libmilter& adapter, Link& link) {
    return adapter.answer(
        context, link, link.session->helo(bounded(adapter, name), tls_of(ContextMacros(context))),
        false);
  });
}

sfsistat on_mail(SMFICTX* context, char** argv) {
  return guard(context, [&](Libmilter& adapter, Link& link) {
    const ContextMacros macros(context);
    link.held_at_data.reset();
    link.header_counts.clear();
    mail::Envelope envelope;
    envelope.sender_path = bounded(adapter, argv[0]);
    envelope.parameters = parameters(adapter, argv);
    envelope.login = login_of(macros);
    envelope.queue_id = queue_id_of(macros);
    return adapter.answer(context, link,
                          link.session->mail_from(std::move(envelope), tls_of(macros)), false);
  });
}

sfsistat on_rcpt(SMFICTX* context, char** argv) {
  return guard(context, [&](Libmilter& adapter, Link& link) {
    const ContextMacros macros(context);
    mail::Recipient recipient;
    recipient.path = bounded(adapter, argv[0]);
    recipient.parameters = parameters(adapter, argv);
    fill_recipient(macros, recipient);
    return adapter.answer(context, link,
                          link.session->rcpt_to(std::move(recipient), queue_id_of(macros)), false);
  });
}

sfsistat on_data(SMFICTX* context) {
  return guard(context, [&](Libmilter& adapter, Link& link) -> sfsistat {
    engine::Progress progress = link.session->data(queue_id_of(ContextMacros(context)));
    const Patience patience(*link.session);
    while (!progress)
      progress = link.session->resume(!link.session->round().wait(patience.left()));
    if (progress->verdict.reply.empty() || progress->verdict.action == mail::Action::Disconnect)
      return adapter.answer(context, link, std::move(progress), false);
    link.held_at_data = std::move(progress->verdict);
    return SMFIS_CONTINUE;
  });
}

sfsistat on_unknown(SMFICTX* context, const char* line) {
  return guard(context, [&](Libmilter& adapter, Link& link) {
    return adapter.answer(context, link, link.session->unknown_command(bounded(adapter, line)),
                          false);
  });
}

sfsistat on_header(SMFICTX* context, char* name, char* value) {
  return guard(context, [&](Libmilter&, Link& link) {
    if (link.header_counts.size() < kMaxHeaderNames) ++link.header_counts[fold(name)];
    // Signatures count each byte: without HDR_LEADSPC the MTA has taken the blank, which nearly every
    // field has, away.
    if (!link.held_at_data)
      link.session->header(name, link.leading_space ? value : " " + std::string(value));
    return SMFIS_CONTINUE;
  });
}

sfsistat on_end_of_headers(SMFICTX* context) {
  return guard(context, [&](Libmilter& adapter, Link& link) {
    if (const auto held = adapter.take_held(link)) return say(context, *held);
    return adapter.answer(context, link,
                          link.session->end_of_headers(queue_id_of(ContextMacros(context))), false);
  });
}

sfsistat on_body(SMFICTX* context, unsigned char* bytes, std::size_t length) {
  return guard(context, [&](Libmilter&, Link& link) {
    if (link.held_at_data) return SMFIS_CONTINUE;
    // While this thread waits the MTA does: what it sends stays in the socket.
    if (link.session->body({reinterpret_cast<const char*>(bytes), length}))
      link.session->round().wait(Patience(*link.session).left());
    return SMFIS_CONTINUE;
  });
}

sfsistat on_end(SMFICTX* context) {
  return guard(context, [&](Libmilter& adapter, Link& link) {
    if (const auto held = adapter.take_held(link)) return say(context, *held);
    return adapter.answer(context, link,
                          link.session->end_of_message(queue_id_of(ContextMacros(context))), true);
  });
}

sfsistat on_abort(SMFICTX* context) {
  return guard(context, [&](Libmilter&, Link& link) {
    link.held_at_data.reset();
    link.header_counts.clear();
    link.session->abort();
    return SMFIS_CONTINUE;
  });
}

// Also called for links that never got as far as a negotiation.
sfsistat on_close(SMFICTX* context) {
  auto* link = static_cast<Link*>(smfi_getpriv(context));
  smfi_setpriv(context, nullptr);
  Libmilter* adapter = the_adapter;
  if (adapter != nullptr) adapter->close_link(link);
  return SMFIS_CONTINUE;
}

smfiDesc description() {
  smfiDesc desc{};
  desc.xxfi_name = const_cast<char*>("sluice");
  desc.xxfi_version = SMFI_VERSION;
  desc.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_ADDRCPT | SMFIF_DELRCPT |
                    SMFIF_QUARANTINE | SMFIF_CHGFROM | SMFIF_SETSYMLIST;
  desc.xxfi_connect = on_connect;
  desc.xxfi_helo = on_helo;
  desc.xxfi_envfrom = on_mail;
  desc.xxfi_envrcpt = on_rcpt;
  desc.xxfi_header = on_header;
  desc.xxfi_eoh = on_end_of_headers;
  desc.xxfi_body = on_body;
  desc.xxfi_eom = on_end;
  desc.xxfi_abort = on_abort;
  desc.xxfi_close = on_close;
  desc.xxfi_unknown = on_unknown;
  desc.xxfi_data = on_data;
  desc.xxfi_negotiate = on_negotiate;
  return desc;
}

Result<void> Libmilter::start(std::vector<ListeningPlace> places, SessionSource& source,
                              const engine::Resources& resources) {
  if (places.size() != 1) {
    for (const ListeningPlace& place : places) ::close(place.fd);
    return config_error("libmilter listens at one place");
  }
  source_ = &source;
  resources_ = resources;
  at_ = places.front().at;
  const int fd = fd_ = places.front().fd;
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  over_tcp_ = ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
              own.ss_family != AF_UNIX;
  const std::string spec = "fd:" + std::to_string(fd);
  smfi_settimeout(7'210);  // longer than any MTA waits: the MTA decides when a session is dead
  if (smfi_setconn(mutable_text(spec)) != MI_SUCCESS ||
      smfi_register(description()) != MI_SUCCESS || smfi_opensocket(false) != MI_SUCCESS)
    return permanent("libmilter does not take the listening socket");
  thread_ = std::thread([this] {
    smfi_main();
    ended_ = true;
  });
  return {};
}

// The descriptor that libmilter polls is replaced by a socket to which nobody can connect. A socket
// inherited from systemd stays open there: clients wait in its backlog for the next process.
void Libmilter::stop_accepting() {
  const int quiet = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (quiet < 0 || fd_ < 0) return;
  sockaddr_un nowhere{};
  nowhere.sun_family = AF_UNIX;
  ::bind(quiet, reinterpret_cast<sockaddr*>(&nowhere),
         sizeof(sa_family_t));  // a name that the kernel makes up
  ::listen(quiet, 1);
  ::dup2(quiet, fd_);
  ::close(quiet);
}

// libmilter takes up to 5 s to notice a stop and does not wait for sessions, so at the end of the
// process it is left alone.
Libmilter::~Libmilter() {
  if (thread_.joinable()) {
    smfi_stop();
    thread_.join();
  }
  Libmilter* self = this;
  the_adapter.compare_exchange_strong(self, nullptr);
}

}  // namespace

Result<std::unique_ptr<FrontEnd>> make_libmilter_front_end(LibmilterOptions options) {
  auto adapter = std::make_unique<Libmilter>(options);
  Libmilter* nobody = nullptr;
  if (!the_adapter.compare_exchange_strong(nobody, adapter.get())) {
    return permanent("libmilter serves one front end in a process");
  }
  return std::unique_ptr<FrontEnd>(std::move(adapter));
}

}  // namespace sluice::milter
