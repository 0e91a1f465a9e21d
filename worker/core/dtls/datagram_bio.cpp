#include "worker/core/dtls/datagram_bio.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>

namespace sluice::worker {
namespace {

DatagramBioPeer& PeerOf(BIO* bio) { return *static_cast<DatagramBioPeer*>(BIO_get_data(bio)); }

int Write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  PeerOf(bio).OnOutgoing({reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(size)});
  return size;
}

int Read(BIO* bio, char* out, int capacity) {
  BIO_clear_retry_flags(bio);
  const std::span<const uint8_t> datagram = PeerOf(bio).TakeIncoming();
  if (datagram.empty() || capacity <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  // As a socket does: what does not fit is lost.
  const size_t size = std::min(datagram.size(), static_cast<size_t>(capacity));
  std::copy_n(datagram.begin(), size, reinterpret_cast<uint8_t*>(out));
  return static_cast<int>(size);
}

long Control(BIO* bio, int command, long, void* pointer) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
      PeerOf(bio).OnFlightTimer(static_cast<timeval*>(pointer));
      return 1;
    default:
      return 0;
  }
}

int Create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

}  // namespace

BioMethodPtr MakeDatagramBioMethod() {
  BioMethodPtr method(
      BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams of a DTLS session"));
  if (!method) return nullptr;
  BIO_meth_set_write(method.get(), Write);
  BIO_meth_set_read(method.get(), Read);
  BIO_meth_set_ctrl(method.get(), Control);
  BIO_meth_set_create(method.get(), Create);
  return method;
}

BIO* NewDatagramBio(const BIO_METHOD& method, DatagramBioPeer& peer) {
  BIO* bio = BIO_new(&method);
  if (bio != nullptr) BIO_set_data(bio, &peer);
  return bio;
}

std::string TakeOpenSslError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

}  // namespace sluice::worker
