#!/usr/bin/env node
/**
 * The `iems` command on whatever Node is at hand: finds one that is new enough and starts the real one.
 *
 * Written so that old versions of Node can read it. In a checkout the sources run as they are, and the npm package
 * `node` brings a Node that can; an installed package runs what was built.
 */
'use strict'
var fs = require('fs')
var path = require('path')
var spawn = require('child_process').spawn

var root = path.join(__dirname, '..', '..')
var source = path.join(root, 'core', 'cli', 'main.ts')
var checkout = fs.existsSync(source)
// A young generation that grows with the machine's memory makes a busy server look three times its size.
var flags = ['--max-semi-space-size=8']
var args = checkout ? ['--conditions=source', source] : [path.join(root, 'dist', 'core', 'cli', 'main.js')]

function isEnough(version) {
  var parts = version.split('.').map(Number)
  return (parts[0] === 24 && parts[1] >= 11) || parts[0] >= 26
}

// The npm package `node` lies in a checkout's own packages, or beside the installed package.
var name = path.join('node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
var own = [path.join(root, 'node_modules', name), path.join(root, '..', name)].filter(fs.existsSync)[0]
var node = isEnough(process.versions.node) ? process.execPath : own
if (node === undefined) {
  console.error('iems needs Node 24.11 or later (24.x), or 26 and later; this is ' + process.versions.node + '.')
  console.error('Install one from https://nodejs.org, or beside iems with: npm install node@24')
  process.exit(1)
}
var argv = flags.concat(args, process.argv.slice(2))
// Threads that each keep freed memory for themselves (glibc's arenas) cost 30 MB and gain nothing here.
var env = Object.assign({ MALLOC_ARENA_MAX: '1' }, process.env)
if (process.execve) process.execve(node, [node].concat(argv), env) // becomes the server: no parent left beside it

var child = spawn(node, argv, { stdio: 'inherit', env: env })
;['SIGINT', 'SIGTERM', 'SIGHUP'].forEach(function (signal) {
  process.on(signal, function () {
    // A key pressed at the terminal has reached the child already; twice would mean "at once".
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  })
})
child.on('exit', function (code, signal) {
  if (signal) process.kill(process.pid, signal)
  else process.exit(code === null ? 1 : code)
})
