// Box<T>: an optional value that takes no room while it is not there. Most sessions of a busy host
// are idle and hold neither a message nor a login.
#pragma once
#include <memory>
#include <utility>

namespace sluice::engine {

template <class T>
class Box {
 public:
  Box() = default;
  Box& operator=(T value) {
    value_ = std::make_unique<T>(std::move(value));
    return *this;
  }
  explicit operator bool() const { return value_ != nullptr; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }
  const T* get() const { return value_.get(); }
  T& emplace() { return *(value_ = std::make_unique<T>()); }
  void reset() { value_.reset(); }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace sluice::engine
