export { TcpProxy } from '../../prove/tcp-proxy.js';
