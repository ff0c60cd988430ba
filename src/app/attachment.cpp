#include "app/attachment.h"

#include <pwd.h>

#include "milter/libmilter_adapter.h"
#include "milter/socket_address.h"
#include "milter/wire_engine.h"

namespace sluice::app {
namespace {

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

std::string address_of(const milter::Listener& listener) {
  const bool is_inherited = listener.spec().kind == milter::ListenSpec::Kind::Inherited;
  const auto place = is_inherited ? milter::place_of(listener.fd()) : std::nullopt;
  return place.value_or(listener.spec()).to_string();
}

tl::unexpected<Error> not_listening(const Error& error) {
  return tl::unexpected<Error>(Error{error.cause, "listen: " + error.what});
}

}  // namespace

Result<Attachment> Attachment::open(const ServiceConfig& config) {
  Attachment made;
  for (const milter::ListenSpec& spec : config.listen) {
    auto listener = milter::Listener::open(spec);
    if (!listener) return not_listening(listener.error());
    auto users = user_ids(spec);
    if (!users) return not_listening(users.error());
    made.addresses_.push_back(address_of(*listener));
    made.places_.push_back({-1, listener->spec().to_string(), spec.allow_from, std::move(*users)});
    made.listeners_.push_back(std::move(*listener));
  }
  auto front_end = make_front_end(config);
  if (!front_end) return permanent(front_end.error().what);
  made.front_end_ = std::move(*front_end);
  return made;
}

Result<void> Attachment::serve(milter::SessionSource& source, const engine::Resources& resources) {
  for (std::size_t i = 0; i < places_.size(); ++i) places_[i].fd = listeners_[i].release();
  auto started = front_end_->start(std::move(places_), source, resources);
  if (!started) return temporary(started.error().what);
  return {};
}

std::string Attachment::at() const {
  std::string all;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    const std::string name = listeners_[i].spec().to_string();
    all += (all.empty() ? "" : ", ") + name;
    if (addresses_[i] != name) all += " (" + addresses_[i] + ")";
  }
  return all;
}

}  // namespace sluice::app
