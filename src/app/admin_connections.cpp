#include "app/admin_connections.h"

#include <sys/socket.h>

#include <algorithm>

namespace sluice::app {

AdminConnections::Place AdminConnections::begin(int fd) {
  const std::lock_guard lock(mutex_);
  const Place place = held_.insert(held_.end(), fd);
  if (held_.size() > most_) {
    ::shutdown(held_.front(), SHUT_RDWR);  // the server reads its end and closes it
    cut_.splice(cut_.end(), held_, held_.begin());
  }
  return place;
}

void AdminConnections::asked(Place place) {
  const std::lock_guard lock(mutex_);
  const bool is_cut = std::any_of(cut_.begin(), cut_.end(), [&](int fd) { return fd == *place; });
  if (!is_cut) held_.splice(held_.end(), held_, place);
}

void AdminConnections::end(Place place) {
  const std::lock_guard lock(mutex_);
  // Of which list it is an element matters to their sizes only.
  const bool is_cut = std::any_of(cut_.begin(), cut_.end(), [&](int fd) { return fd == *place; });
  (is_cut ? cut_ : held_).erase(place);
}

std::size_t AdminConnections::size() const {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

}  // namespace sluice::app
