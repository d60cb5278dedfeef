<?php

/**
 * Ends the session at the identity provider when a session of Roundcube 1.6 ends.
 *
 * Roundcube 1.6 forgets its own session only: on a shared computer the next click on
 * "Login with …" opens the mailbox again, without a password. Roundcube 1.7 does by itself
 * what this plugin does (oauth_logout_uri).
 *
 *     $config['plugins'][] = 'oidc_signout';
 *     $config['oidc_signout_uri'] = 'https://…/protocol/openid-connect/logout';
 *
 * Keycloak: its logout endpoint. Another provider: its revocation_endpoint (RFC 7009), which
 * ends the tokens at least. Both are asked with the refresh token, server to server.
 */
class oidc_signout extends rcube_plugin
{
    public $noframe = true;

    public function init()
    {
        $this->add_hook('session_destroy', [$this, 'sign_out']);
    }

    public function sign_out($args)
    {
        $rcmail = rcmail::get_instance();
        $uri = $rcmail->config->get('oidc_signout_uri');
        $refresh_token = $_SESSION['oauth_token']['refresh_token'] ?? null;
        if (!$uri || !$refresh_token) {
            return $args;
        }
        $refresh_token = $rcmail->decrypt($refresh_token);
        try {
            $client = new GuzzleHttp\Client([
                'timeout' => 5,
                'allow_redirects' => false,
                'verify' => $rcmail->config->get('oauth_verify_peer', true),
            ]);
            $client->post($uri, ['form_params' => [
                'client_id' => $rcmail->config->get('oauth_client_id'),
                'client_secret' => $rcmail->config->get('oauth_client_secret'),
                // Keycloak's logout calls it so, RFC 7009 otherwise; each ignores the other's.
                'refresh_token' => $refresh_token,
                'token' => $refresh_token,
                'token_type_hint' => 'refresh_token',
            ]]);
        } catch (Exception $error) {
            // Roundcube's session ends all the same. The message names the address and the
            // status; what was sent does not stand in it.
            rcube::raise_error([
                'message' => 'oidc_signout: ' . $error->getMessage(),
                'file' => __FILE__,
                'line' => __LINE__,
            ], true, false);
        }

        return $args;
    }
}
