// The least that Bolt can do for a command: check the signature and acknowledge.
const { App, LogLevel } = require('@slack/bolt');

const app = new App({
  signingSecret: process.env.SLACK_SIGNING_SECRET,
  // Instead of a question to Slack at every start.
  authorize: async () => ({ botToken: 'xoxb-0', botId: 'B0', botUserId: 'U0' }),
  endpoints: '/slack/commands',
  logLevel: LogLevel.ERROR,
});

app.command('/microblot', async ({ ack }) => {
  await ack();
});

(async () => {
  const server = await app.start({ port: 0, host: '127.0.0.1' });
  console.log(server.address().port);
})();
