// A second provider, and one of another kind than Keycloak: opaque tokens, other
// paths, introspection that names no address.
//
//   node provider.mjs PORT
//
// NODE_MODULES is the folder that holds oidc-provider. It ends with its stdin,
// so with the test that started it.
//
// POST /test/tokens (person, client, scope, lifetime) is the sign-in of tests,
// without a browser.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const resolve = createRequire(`${process.env.NODE_MODULES}/`).resolve;
const { default: Provider } = await import(pathToFileURL(resolve('oidc-provider')));

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const people = {
  olga: { email: 'olga@example.net', email_verified: true },
  // As a provider that has never heard of verification.
  nils: { email: 'nils@example.net' },
  // Of a domain that is not this provider's.
  ann: { email: 'ann@example.org', email_verified: true },
};

const client = (name, more) => ({
  client_id: name,
  client_secret: `secret-of-${name}`,
  grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: ['http://127.0.0.1/'],
  ...more,
});

const provider = new Provider(issuer, {
  clients: [client('dovegate'), client('desktop'), client('wiki')],
  scopes: ['openid', 'email', 'mail', 'offline_access'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  features: { introspection: { enabled: true }, revocation: { enabled: true } },
  cookies: { keys: ['of a test'] },
  findAccount: (_, name) => people[name] && {
    accountId: name,
    claims: () => ({ sub: name, ...people[name] }),
  },
});

async function tokens(form) {
  const [person, name, scope] = ['person', 'client', 'scope'].map((key) => form.get(key));
  const grant = new provider.Grant({ accountId: person, clientId: name });
  grant.addOIDCScope(scope);
  const about = {
    accountId: person,
    client: await provider.Client.find(name),
    grantId: await grant.save(),
    gty: 'authorization_code',
    scope,
    expiresIn: Number(form.get('lifetime')),
  };
  return {
    access_token: await new provider.AccessToken(about).save(),
    refresh_token: await new provider.RefreshToken(about).save(),
  };
}

provider.use(async (context, next) => {
  if (context.path !== '/test/tokens') return next();
  let body = '';
  for await (const part of context.req) body += part;
  context.body = await tokens(new URLSearchParams(body));
});

process.stdin.resume().on('end', () => process.exit());
provider.listen(port, '127.0.0.1');
