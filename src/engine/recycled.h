// Recycled<T>: what every event needs anew and what has buffers of its own. Each thread keeps a few
// that are done with, emptied, for the next session that asks: an idle session holds none of them,
// and a busy one asks for no memory.
//
// T::recycle() leaves it as newly made but for the room in its buffers, which it bounds.
//
// Threads: made and ended on any, each by one thread at a time.
#pragma once
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace sluice::engine {

template <class T>
class Shelf {
 public:
  static constexpr std::size_t kMost = 128;  // of one thread

  static T* take() {
    Shelf* shelf = own();
    if (shelf == nullptr || shelf->free_.empty()) return new T();
    T* taken = shelf->free_.back().release();
    shelf->free_.pop_back();
    return taken;
  }
  static void put(T* done) noexcept {
    std::unique_ptr<T> ends(done);
    Shelf* shelf = own();
    if (shelf == nullptr || shelf->free_.size() == kMost) return;
    done->recycle();
    shelf->free_.push_back(std::move(ends));
  }

 private:
  Shelf() { free_.reserve(kMost); }
  ~Shelf() { is_gone_ = true; }
  // Null: the thread is at its end.
  static Shelf* own() {
    if (is_gone_) return nullptr;
    thread_local Shelf shelf;
    return &shelf;
  }

  static inline thread_local bool is_gone_ = false;
  std::vector<std::unique_ptr<T>> free_;
};

template <class T>
struct Recycler {
  void operator()(T* done) const noexcept { Shelf<T>::put(done); }
};
template <class T>
using Recycled = std::unique_ptr<T, Recycler<T>>;

template <class T>
Recycled<T> make_recycled() {
  return Recycled<T>(Shelf<T>::take());
}

// A buffer that is kept loses what it holds, and its room when that is more than `most` elements.
template <class Buffer>
void empty(Buffer& buffer, std::size_t most) {
  if (buffer.capacity() > most) {
    Buffer().swap(buffer);  // a string that is assigned an empty one keeps its room
  } else {
    buffer.clear();
  }
}

}  // namespace sluice::engine
