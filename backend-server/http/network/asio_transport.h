// Private to the room: makes transports over Asio sockets. Only listener.cc and asio_transport.cc include this.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "backend-server/http/network/transport.h"

namespace skymoor::server {

/// `tls` null: plain. The context outlives the transport.
std::shared_ptr<Transport> make_asio_transport(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls);

}  // namespace skymoor::server
