#include "backends/redis_sentinel.h"

#include <charconv>
#include <utility>

#include "backends/redis_address.h"
#include "backends/redis_command.h"
#include "backends/redis_reaction.h"
#include "base/text.h"

namespace sluice::backends {
namespace {

using Kind = RedisReply::Kind;

std::optional<Endpoint> endpoint_of(std::string_view host, std::string_view port,
                                    const Endpoint& sentinel) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return told_endpoint(host, number, sentinel);
}

}  // namespace

SentinelAnswer parse_sentinel_answer(const RedisReply& reply, const Endpoint& sentinel) {
  if (reply.kind == Kind::Error)
    return {std::nullopt, reply.text.empty() ? "it answers an error without a word" : reply.text};
  if (reply.kind == Kind::Nil) return {std::nullopt, "it does not watch a master of this name"};
  if (reply.kind != Kind::Array || reply.items.size() != 2)
    return {std::nullopt, "it does not answer as a Sentinel"};
  const auto master = endpoint_of(reply.items[0].text, reply.items[1].text, sentinel);
  if (!master)
    return {std::nullopt, "it names the master `" + reply.items[0].text + "`, no address"};
  return {master, {}};
}

std::optional<Endpoint> parse_switch_master(const RedisReply& message, std::string_view name,
                                            const Endpoint& sentinel) {
  if (message.kind != Kind::Array || message.items.size() != 3 ||
      message.items[0].text != "message" || message.items[1].text != "+switch-master")
    return std::nullopt;
  const auto words = split(message.items[2].text, ' ');
  if (words.size() != 5 || words[0] != name) return std::nullopt;
  return endpoint_of(words[3], words[4], sentinel);
}

RedisSentinel::RedisSentinel(EventLoop& loop, const Endpoint& at, std::string name,
                             const RedisNode::Settings& settings, Switched switched)
    : loop_(loop),
      at_(at),
      name_(std::move(name)),
      settings_(settings),
      switched_(std::move(switched)),
      random_(std::random_device{}()) {}

RedisSentinel::~RedisSentinel() { loop_.cancel(timer_); }

std::shared_ptr<RedisConnection> RedisSentinel::open(RedisConnection::Events events) {
  auto connection = RedisConnection::open(loop_, at_, settings_.connect_timeout, std::move(events));
  if (needs_password_ && !settings_.credentials->is_empty())
    connection->send(settings_.credentials->auth_command(),
                     EventLoop::Steady::now() + settings_.connect_timeout, [](const auto&) {});
  return connection;
}

void RedisSentinel::ask(Done done) { ask_on_connection(done, false); }

void RedisSentinel::ask_on_connection(const Done& done, bool is_second) {
  if (!questions_ || questions_->is_over()) questions_ = open({[](const std::string&) {}, {}});
  questions_->send(redis_command({"SENTINEL", "get-master-addr-by-name", name_}),
                   EventLoop::Steady::now() + settings_.timeout,
                   [this, done, is_second](RedisAnswer answer) {
                     if (!is_closed_) take(done, std::move(answer), is_second);
                   });
}

void RedisSentinel::take(const Done& done, RedisAnswer answer, bool is_second) {
  if (answer.kind != RedisAnswer::Kind::Reply) {
    why_ = answer.why;
    return done({std::nullopt, std::move(answer.why)});
  }
  const bool is_refused = answer.reply.kind == Kind::Error &&
                          redis_reaction(answer.reply.text) == RedisReaction::Forbid;
  if (is_refused && !is_second && !settings_.credentials->is_empty()) {
    needs_password_ = true;
    std::exchange(questions_, nullptr)->close("asked again with a password");
    return ask_on_connection(done, true);
  }
  SentinelAnswer said = parse_sentinel_answer(answer.reply, at_);
  why_ = said.why;
  done(std::move(said));
}

void RedisSentinel::listen() {
  if (is_closed_) return;
  channel_ = open({[this](const std::string& why) { listen_again(why); },
                   [this](const RedisReply& message) {
                     if (const auto master = parse_switch_master(message, name_, at_))
                       switched_(*master);
                   }});
  channel_->send(
      redis_command({"SUBSCRIBE", "+switch-master"}),
      EventLoop::Steady::now() + settings_.connect_timeout, [this](const RedisAnswer& answer) {
        is_listening_ = answer.kind == RedisAnswer::Kind::Reply && answer.reply.kind == Kind::Array;
        if (is_listening_) backoff_.reset();
        if (answer.kind != RedisAnswer::Kind::Reply || is_listening_) return;
        if (redis_reaction(answer.reply.text) == RedisReaction::Forbid) needs_password_ = true;
        std::exchange(channel_, nullptr)->close(answer.reply.text);
        listen_again(answer.reply.text);
      });
}

void RedisSentinel::listen_again(const std::string& why) {
  is_listening_ = false;
  if (is_closed_) return;
  why_ = why;
  timer_ = loop_.in(backoff_.next(static_cast<std::uint32_t>(random_())), [this] {
    timer_ = 0;
    listen();
  });
}

void RedisSentinel::close() {
  is_closed_ = true;
  loop_.cancel(std::exchange(timer_, 0));
  if (questions_) questions_->close("the service ends");
  if (channel_) channel_->close("the service ends");
}

}  // namespace sluice::backends
