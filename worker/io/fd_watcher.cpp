#include "worker/io/fd_watcher.h"

namespace sluice::worker {

struct FdWatcher::Handle {
  uv_poll_t poll{};
  Loop* loop = nullptr;
  FdListener* listener = nullptr;  // null once the watcher is gone
  int events = 0;

  static void OnPoll(uv_poll_t* poll, int status, int events) {
    auto* self = static_cast<Handle*>(poll->data);
    if (self->listener == nullptr) return;
    self->loop->NoteWork();
    if (status < 0) {
      self->events = 0;  // libuv stops a handle that reports EPOLLERR
      self->listener->OnPollError();
      return;
    }
    if ((events & UV_READABLE) != 0) self->listener->OnReadable();
    if ((events & UV_WRITABLE) != 0 && self->listener != nullptr) self->listener->OnWritable();
  }
};

Result<std::unique_ptr<FdWatcher>> FdWatcher::Create(Loop& loop, int fd, FdListener& listener) {
  auto handle = std::make_unique<Handle>();
  handle->loop = &loop;
  handle->listener = &listener;
  if (const int rc = uv_poll_init(loop.uv(), &handle->poll, fd); rc != 0) {
    return Error("cannot watch file descriptor " + std::to_string(fd) + ": " + uv_strerror(rc));
  }
  handle->poll.data = handle.get();
  return std::unique_ptr<FdWatcher>(new FdWatcher(handle.release()));
}

FdWatcher::~FdWatcher() {
  handle_->listener = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->poll),
           [](uv_handle_t* h) { delete static_cast<Handle*>(h->data); });
}

void FdWatcher::Watch(bool readable, bool writable) {
  const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (events == handle_->events) return;
  handle_->events = events;
  if (events == 0) {
    uv_poll_stop(&handle_->poll);
  } else {
    uv_poll_start(&handle_->poll, events, &Handle::OnPoll);
  }
}

bool FdWatcher::watching_writable() const { return (handle_->events & UV_WRITABLE) != 0; }

}  // namespace sluice::worker
